"""Runs the programs of the comparison on one broker and believes no time before the answer is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.answers import Read, quix_rekeyed, read_ours, read_plain, read_quix, read_topic, require_committed
from benchmarks.environments import BYTEWAX, QUIX, Peer
from benchmarks.events import events, expected
from benchmarks.job import PARTITIONS, Job, Result
from benchmarks.machine import Cores, ProgramFailed, run_to_end
from benchmarks.reference import Answer
from streams.topics import Topics, partition_of

# They are so much slower that they get fewer events: their rates do not depend on the number.
STOCK_EVENTS = 10_000
QUIX_EVENTS = 100_000
_LIMIT_S = 240.0
_TIMEOUT_S = 30.0
_COMPACTED = {"cleanup.policy": "compact"}


def _plain_topics(job: Job) -> dict[str, Mapping[str, str]]:
    return {
        job.activity: {},
        job.users_changelog: _COMPACTED,
        job.workspaces_changelog: _COMPACTED,
        job.signals: {},
    }


def _signals_topic(job: Job) -> dict[str, Mapping[str, str]]:
    return {job.signals: {}}


def _our_topics(job: Job) -> dict[str, Mapping[str, str]]:
    return {spec.name: spec.settings for spec in Topics(job.prefix, PARTITIONS).specs()}


@dataclass(frozen=True)
class Program:
    """
    One of the compared.

    Args:
        topics: What it finds there beside the events; what an engine makes for itself is not among it.
        read: Reads its answer from its topics; None where it reports the answer itself, or counts nothing.
        rekeyed: Where it sends the events again, keyed by workspace, if that and its offsets are durable.
        counts: Whether it does the job at all.
        peer: Whose environment it needs, if not the project's own.
    """

    name: str
    module: str
    what: str
    topics: Callable[[Job], Mapping[str, Mapping[str, str]]] = _signals_topic
    read: Callable[[Job, Read], Answer] | None = None
    rekeyed: Callable[[Job], str] | None = None
    counts: bool = True
    max_events: int | None = None
    peer: Peer | None = None


PROGRAMS = (
    Program(
        "plain",
        "benchmarks.peers.plain",
        "confluent-kafka loop by hand",
        _plain_topics,
        read_plain,
        lambda job: job.activity,
    ),
    Program(
        "ours",
        "benchmarks.ours",
        "steps 2 and 3 of the river",
        _our_topics,
        read_ours,
        lambda job: Topics(job.prefix, PARTITIONS).workspace_facts,
    ),
    Program(
        "quix",
        "benchmarks.peers.quix",
        "Quix Streams: apply, group_by",
        read=read_quix,
        rekeyed=quix_rekeyed,
        max_events=QUIX_EVENTS,
        peer=QUIX,
    ),
    Program("bytewax", "benchmarks.peers.bytewax", "Bytewax: stateful_map, nothing durable", peer=BYTEWAX),
    Program("stock-faust", "benchmarks.peers.stock_faust", "Faust: tables, group_by", max_events=STOCK_EVENTS),
    Program("ceiling", "benchmarks.ceiling", "consume and parse only", counts=False),
)


@dataclass
class Comparison:
    """
    The comparing side of a run: fills the topics once, then runs programs against them.

    Args:
        kafka: Bootstrap servers.
        prefix: What all its topics begin with.
        count: Events of a long run.
        folder: For results and logs.
    """

    kafka: str
    prefix: str
    count: int
    cores: Cores
    folder: Path
    right_answers: dict[int, Answer] = field(default_factory=dict)

    def fill(self, programs: tuple[Program, ...]) -> None:
        """Put the events where the programs will read them."""
        for count in {self.events_of(program) for program in programs}:
            self._create({self._topic(count): {}})
            self.right_answers[count] = expected(count)
            self._produce(count)

    def events_of(self, program: Program) -> int:
        """How many events a program gets."""
        return self.count if program.max_events is None else min(self.count, program.max_events)

    def run(self, program: Program, round_: int) -> Result:
        """
        Run a program once.

        Raises:
            ProgramFailed: It failed, or came to a wrong answer.
        """
        count = self.events_of(program)
        name = f"{self.prefix}-{program.name}-{round_}"
        job = Job(self.kafka, self._topic(count), name, count, str(self.folder / f"{name}.json"))
        self._create(program.topics(job))
        arguments = ["-m", program.module, msgspec.json.encode(job).decode()]
        log = self.folder / f"{name}.log"
        if program.peer is None:
            run_to_end(arguments, self.cores, log, _LIMIT_S)
        else:
            run_to_end(arguments, self.cores, log, _LIMIT_S, program.peer.python)
        result = msgspec.json.decode(Path(job.result).read_bytes(), type=Result)
        if program.counts:
            answer = result.answer if program.read is None else program.read(job, self._read)
            self._require_right(program, answer or Answer(), count)
        if program.rekeyed is not None:
            require_committed(self.kafka, name, [job.topic, program.rekeyed(job)])
        return result

    def _require_right(self, program: Program, answer: Answer, count: int) -> None:
        difference = answer.difference(self.right_answers[count])
        if difference is not None:
            raise ProgramFailed(f"{program.name}: {difference}; its time does not count")

    def _read(self, topic: str) -> Iterator[Message]:
        return read_topic(self.kafka, topic)

    def _topic(self, count: int) -> str:
        return f"{self.prefix}-events-{count}"

    def _create(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        wanted = [
            NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=dict(settings))
            for name, settings in topics.items()
        ]
        for created in (admin.create_topics(wanted) if wanted else {}).values():
            created.result(_TIMEOUT_S)

    def _produce(self, count: int) -> None:
        # Idempotent, so that a batch sent again stays in its place: a user's events must come in order.
        producer = Producer(
            {"bootstrap.servers": self.kafka, "log_level": 0, "linger.ms": 20, "enable.idempotence": True}
        )
        topic = self._topic(count)
        for number, (user, _workspace, _day, event) in enumerate(events(count)):
            while True:
                try:
                    producer.produce(topic, event, user, partition_of(user, PARTITIONS))
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1_000 == 0:
                producer.poll(0)
        if producer.flush(_TIMEOUT_S):
            raise ProgramFailed(f"the broker did not take all events of {topic}")
