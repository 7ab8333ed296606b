"""Redrive: puts dead letters on their way again once their cause is fixed, each original once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from signals.config import Config
from signals.event import Reason
from streams.letters import REDRIVEN_FROM, RESET, Letter, Place, letter_headers, read_letter
from streams.outbox import MAX_MESSAGE_BYTES
from streams.reading import read_topic
from streams.redriven import Redriven
from streams.settings import Settings
from streams.spool import Entry, Spool
from streams.topics import Topics

Progress = Callable[[int, int], None]

# How long the broker may be silent before what is unacknowledged counts as failed.
ACK_S = 60.0


@dataclass(frozen=True)
class Choice:
    """Which letters; an empty part chooses all."""

    reasons: frozenset[str] = frozenset()
    topic: str = ""
    places: frozenset[Place] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is among them."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.topic or letter.topic == self.topic)
            and (not self.places or letter.place in self.places)
        )


@dataclass
class Plan:
    """What a redrive found: how many letters by where they go, and why others stay."""

    going: Counter[str] = field(default_factory=Counter)
    # Letters that were redriven before, copies of others, and those that a reset has settled.
    redriven: int = 0
    copies: int = 0
    settled: int = 0
    # By the sentence that says why.
    staying: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many will be sent."""
        return self.going.total()


@dataclass
class Outcome:
    """What became of the letters that were to be sent, failures by what the broker said."""

    sent: int = 0
    failed: Counter[str] = field(default_factory=Counter)


def why_not(letter: Letter, topics: Topics) -> str:
    """Why a letter can never be redriven, as a sentence for people; empty where it can."""
    if not letter.topic:
        return "no dead letter of ours: headers are missing"
    if letter.topic == topics.workspaces:
        return "a snapshot: the workspace's next one takes its place"
    if letter.topic == topics.alerts:
        return "" if letter.value is not None else "its value was left out; the original stands where its headers say"
    if letter.topic.startswith(f"{topics.prefix}.") and letter.topic != topics.redrive:
        return {
            Reason.FOREIGN.value: "nobody of us wrote the record",
            Reason.STEP_FAILED.value: "its step passed over it; after a fix `plg topics reset` builds the states again",
            Reason.RULE_FAILED.value: "the record was applied, one firing of a rule is lost",
        }.get(letter.reason, "it stood in a log of ours, which nobody but its own step may write")
    return "" if letter.value is not None else "it has no value, so it will never be an event"


class Redrive:
    """
    One run: `read`, look at `plan`, `send`. Use it as a context.

    A customer's record goes to `<prefix>.redrive`, which ingest reads like the customer's topics; an alert that a sink
    parked goes to the end of its partition of `<prefix>.alerts`. What has arrived there is left out by the next run,
    so that a run may be repeated, and ended at any moment. Two runs at the same time know nothing of each other.

    Args:
        config: For prefix and partitions.
        settings: For the broker.
        choice: Which letters.
        again: Also what has been redriven or settled.
    """

    def __init__(self, config: Config, settings: Settings, choice: Choice, *, again: bool = False) -> None:
        self.plan = Plan()
        self.outcome = Outcome()
        self._topics = Topics(config.prefix, config.topics.partitions)
        self._settings = settings
        self._choice = choice
        self._again = again
        self._spool = Spool()
        # By partition of the dead letters: what ingest wrote before it is settled by a reset.
        self._settled: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.__exit__()

    def read(self, on_record: Progress = lambda _done, _total: None) -> None:
        """
        Read what has been redriven, then the dead letters, and fill `plan`.

        Raises:
            ReadingFailed: A topic does not exist, or the broker stops answering.
        """
        redriven = Redriven(self._topics, self._settings)
        redriven.read(on_record)
        for message in read_topic(self._topics.dead_letters, self._settings, on_record):
            letter = read_letter(message)
            if letter.reason == RESET and not letter.topic:
                self._settled[letter.place.partition] = letter.place.offset
            elif self._choice.takes(letter):
                self._take(letter, redriven)
        if not self._again:
            self.plan.settled = self._spool.drop(self._is_settled)
        self.plan.going = Counter(self._target(topic) for topic in self._spool.topics())

    def send(self, on_sent: Progress = lambda _done, _total: None) -> None:
        """
        Send what is planned and fill `outcome`; returns when the broker has answered for each letter.

        Args:
            on_sent: Told how many of how many are acknowledged.
        """
        outcome, total = self.outcome, self.plan.total

        def answered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                outcome.sent += 1
                on_sent(outcome.sent, total)
            else:
                outcome.failed[error.name()] += 1

        options = {"linger.ms": 20, "compression.type": "lz4", "message.max.bytes": MAX_MESSAGE_BYTES}
        times = {"message.timeout.ms": int(ACK_S * 1_000)}
        producer = Producer({**options, **times, **self._settings.kafka_options, "enable.idempotence": True})
        try:
            for letter in self._spool.ordered():
                self._produce(producer, letter, answered)
            producer.flush(ACK_S + 5.0)
        except KeyboardInterrupt:
            # What is on its way may arrive, what waits shall not; the next run reads which was which.
            producer.purge(in_flight=False)
            producer.flush(5.0)
            raise
        unanswered = total - outcome.sent - outcome.failed.total()
        if unanswered:
            outcome.failed["no answer"] = unanswered

    def _take(self, letter: Letter, redriven: Redriven) -> None:
        reason = why_not(letter, self._topics)
        if not reason and letter.topic == self._topics.alerts and redriven.is_overtaken(letter):
            reason = "a newer record of the same alert came after it"
        if reason:
            self.plan.staying[reason] += 1
        elif letter in redriven and not self._again:
            self.plan.redriven += 1
        elif not self._spool.add(letter):
            self.plan.copies += 1

    def _is_settled(self, entry: Entry) -> bool:
        # A rebuild reads the customer's topics again; alerts that were parked are not sent anew by it.
        return entry.topic != self._topics.alerts and entry.place.offset < self._settled.get(entry.place.partition, 0)

    def _target(self, topic: str) -> str:
        return self._topics.alerts if topic == self._topics.alerts else self._topics.redrive

    def _partition(self, letter: Letter) -> int:
        """Where a letter goes: records of one partition stay together, in their order."""
        if letter.topic in (self._topics.alerts, self._topics.redrive):
            return letter.partition
        return self._topics.of(f"{letter.topic}/{letter.partition}")

    def _produce(
        self, producer: Producer, letter: Letter, answered: Callable[[KafkaError | None, Message], None]
    ) -> None:
        headers = letter_headers(letter) | {REDRIVEN_FROM: f"{self._topics.dead_letters}/{letter.place}"}
        while True:
            try:
                producer.produce(
                    self._target(letter.topic),
                    letter.value,
                    letter.key,
                    self._partition(letter),
                    answered,
                    headers=[(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
                )
            except BufferError:
                producer.poll(0.1)
            except KafkaException as error:
                # Too large, or a partition that is not there.
                answered(error.args[0], None)
                break
            else:
                break
        producer.poll(0)
