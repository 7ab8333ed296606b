"""
The configs of a running worker: those that logs name, and the newest, which the next tick will name (docs/adr/0015).

Of all files that workers see, the one that changed last is in force: each worker publishes its own if that changed
later than what `plg.config` holds, and nobody goes back. So workers whose files differ for a while, and restarts with a
file of yesterday, come to the same.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NoReturn

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from signals.compiled import Engine
from signals.config import Clock, Config
from signals.engines import Engines, UnknownConfig
from signals.errors import ConfigError, PlgError
from signals.reloading import GOES_ON_WITH, Difference, Effort, efforts
from streams.config_log import Claim, ConfigLog, NotPublished, first_of, publish, read_config_log, record_of
from streams.config_watch import Seen
from streams.endings import fail_stop
from streams.settings import Settings
from streams.topics import Topics

log = structlog.get_logger()

# Lines of mistakes that stand in a log line; `plg check` shows all.
_MISTAKES = 5
# What becomes of a changed file that does not count, by the log line about it.
_OUTCOMES = {
    "config.invalid": "invalid",
    "config.not_reloadable": "refused",
    "config.older": "older",
    "config.not_published": "unpublished",
}
# How long a poll of the topic waits; records come at once.
_POLL_S = 0.5


class NotReloadable(PlgError):
    """A config has what cannot change while states stand; the text names the keys and what to do."""


class Configs:
    """
    What a worker knows of configs, kept up to date by a thread that reads the topic on.

    Args:
        config: The worker's own file, as it was when it started.
        known: What the topic held then.
        offset: Where to go on reading it.
    """

    def __init__(self, config: Config, settings: Settings, known: ConfigLog, offset: int) -> None:
        self._settings = settings
        self._topic = Topics(config.prefix, config.topics.partitions).config
        self._log = known
        self._offset = offset
        self._group = config.prefix
        self._news = threading.Condition()
        self._stopped = threading.Event()
        # The loop stands still for so long at most, and must not miss its heartbeats.
        self._patience_s = settings.session_timeout_s / 3
        # Where ticks name no config, a worker goes by its own file.
        self._is_named = config.clock is Clock.WALL
        start = config
        if self._is_named and known.first is not None:
            start = known.find(known.first.config) or config
        self.engines = Engines(start, known.windows if self._is_named else (), known.find)
        # For people: what became of changed files (`streams.metrics.RELOADS`), and why the file as it is now does not
        # count; empty if it does.
        self.outcomes: Counter[str] = Counter()
        self.problem = ""
        # The config of the file, where nothing is wrong with it and another one is in force.
        self._put_off: Config | None = None
        # Told of each newest config, in the thread that reads the topic.
        self.on_newest: Callable[[Config], None] = lambda _config: None

    @property
    def newest(self) -> str:
        """The hash of the newest config that the broker has: what ticks are to name."""
        return self.engines.start.hash if not self._is_named or self._log.newest is None else self._log.newest.hash

    @property
    def config(self) -> Config:
        """The newest config."""
        return self.engines.of(self.newest).config

    def engine_of(self, name: str) -> Engine:
        """The engine of a hash that a log names; where there is none the process ends, before any commit."""
        try:
            return self.engines.of(name)
        except UnknownConfig:
            with self._news:
                self._news.wait_for(lambda: self._log.knows(name), self._patience_s)
        except PlgError as error:
            self._end(name, error)
        try:
            return self.engines.of(name)
        except PlgError as error:
            self._end(name, error)

    def _end(self, name: str, error: PlgError) -> NoReturn:
        fail_stop("config.unknown", config=name, topic=self._topic, error=str(error))

    # -- the topic

    def start(self) -> None:
        """Read the topic on, in a thread."""
        threading.Thread(target=self._follow, name="config-log", daemon=True).start()

    def stop(self) -> None:
        """Read no further."""
        self._stopped.set()

    def _follow(self) -> None:
        # The workers' own group, in which they may read; assigned like this it is not joined.
        options = {"group.id": self._group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        consumer = Consumer({**self._settings.kafka_options, **options})
        consumer.assign([TopicPartition(self._topic, 0, self._offset)])
        while not self._stopped.is_set():
            try:
                message = consumer.poll(_POLL_S)
            except KafkaException as error:
                log.warning("config.not_read", error=str(error.args[0]))
                continue
            if message is None:
                continue
            trouble = message.error()
            if trouble is None:
                self.take(message.key(), message.value())
            else:
                log.warning("config.not_read", error=trouble.str())
        consumer.close()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record of the topic."""
        before = self._log.newest
        name = self._log.take(key, value)
        if name is None:
            return
        # A config may come again with a later time of its file.
        is_news = self._log.newest is not None and (before is None or self._log.newest.hash != before.hash)
        try:
            # Here, so that no event waits for it.
            config = self.engines.of(name).config
            if is_news and self.newest == name:
                self.on_newest(config)
            if config == self._put_off and self._log.newest is not None and self._log.newest.hash == name:
                self._put_off, self.problem = None, ""
        except PlgError as error:
            log.error("config.not_understood", config=name, error=str(error))  # noqa: TRY400  # it is ours
        with self._news:
            self._news.notify_all()
        if is_news:
            log.info("config.newest", config=name)

    # -- the file

    def consider(self, seen: Seen, read: Callable[[], Config]) -> None:
        """
        Take a changed file into account: publish its config, or say why the last good one stays.

        Args:
            seen: The file, for when it changed.
            read: Reads and checks it.
        """
        self._put_off = None
        try:
            config = read()
            blocked = refusals(self.engines.of(self.newest).config, config, self._log.windows, may_restart=False)
            self.engines.compiled(config)
        except ConfigError as error:
            self._reject("config.invalid", mistakes=str(error).splitlines()[:_MISTAKES])
            return
        if blocked:
            self._reject("config.not_reloadable", keys=[f"{one.key}: {one.effort}" for one in blocked])
            return
        self.problem = ""
        if not is_same(self._log, config) and not is_later(self._log, config, seen.changed_at):
            self._put_off = config
            self._reject("config.older", config=config.hash, in_force=self.newest, repair=OLDER)
            return
        try:
            self._publish(config, seen.changed_at)
        except NotPublished as error:
            self._put_off = config
            self._reject("config.not_published", config=config.hash, error=str(error))

    def _publish(self, config: Config, changed_at: int) -> None:
        if is_same(self._log, config):
            # Or a file that has changed in between, and is seen by its worker later, would take its place.
            if renewed := self._log.renewed(changed_at):
                publish(self._topic, self._settings, renewed)
            self.outcomes["same"] += 1
            log.info("config.same", config=config.hash)
            return
        publish(self._topic, self._settings, [record_of(config, changed_at)])
        self.outcomes["applied"] += 1
        log.info("config.published", config=config.hash)

    def _reject(self, event: str, **fields: object) -> None:
        self.outcomes[_OUTCOMES[event]] += 1
        self.problem = event.removeprefix("config.")
        log.error(event, stays=self.newest, **fields)


OLDER = "another worker's file changed later; save this one again, or run `plg config publish`"


def is_same(known: ConfigLog, config: Config) -> bool:
    """Whether a config is the newest one; by its meaning, since another version may give it another hash."""
    try:
        return known.current() == config
    except ConfigError:
        return False


def is_later(known: ConfigLog, config: Config, changed_at: int) -> bool:
    """Whether a config would be the newest one."""
    return known.newest is None or Claim(changed_at, config.hash) > known.newest


def refusals(before: Config, after: Config, kept: Iterable[int], *, may_restart: bool) -> list[Difference]:
    """What keeps a config from following another one."""
    harmless = {Effort.NONE, Effort.RESTART} if may_restart else {Effort.NONE}
    found = [one for one in efforts(before, after, kept) if one.effort not in harmless]
    return [one for one in found if not (may_restart and one.key.startswith(GOES_ON_WITH))]


def open_configs(config: Config, settings: Settings, changed_at: int) -> Configs:
    """
    What a worker that starts needs to know of configs; its own file becomes the newest one if it changed last.

    Args:
        changed_at: When its file changed, Unix milliseconds.

    Raises:
        NotReloadable: The states were made with what the file has changed.
        NotPublished: The broker did not take the config.
        ReadingFailed: The topic cannot be read.
    """
    topic = Topics(config.prefix, config.topics.partitions).config
    known, offset = read_config_log(topic, settings, config.prefix)
    if known.first is None:
        publish(topic, settings, [record_of(config, changed_at), first_of(config)])
        known, offset = read_config_log(topic, settings, config.prefix)
    else:
        require_reloadable(known, config)
        if is_same(known, config):
            if renewed := known.renewed(changed_at):
                publish(topic, settings, renewed)
                known, offset = read_config_log(topic, settings, config.prefix)
        elif is_later(known, config, changed_at):
            publish(topic, settings, [record_of(config, changed_at)])
            known, offset = read_config_log(topic, settings, config.prefix)
        elif config.clock is Clock.WALL:
            # Otherwise it counts all the same: each worker goes by its own.
            in_force = "" if known.newest is None else known.newest.hash
            log.warning("config.file_older", config=config.hash, in_force=in_force, repair=OLDER)
    return Configs(config, settings, known, offset)


def publish_now(config: Config, settings: Settings) -> int:
    """
    Put a config in force whatever the workers' files say, until one of them changes again.

    Returns:
        When it counts as changed, Unix milliseconds.

    Raises:
        NotReloadable: It changes what cannot be changed live, or nothing can be.
        PlgError: The topic cannot be read or written.
    """
    if config.clock is Clock.EVENTS:
        raise NotReloadable(
            "clock: events: workers go by the files that they had at their start; restart them with this one"
        )
    topic = Topics(config.prefix, config.topics.partitions).config
    known, _ = read_config_log(topic, settings)
    require_reloadable(known, config)
    newest = 0 if known.newest is None else known.newest.changed_at
    changed_at = max(time.time_ns() // 1_000_000, newest + 1)
    records = [record_of(config, changed_at)]
    publish(topic, settings, records if known.first is not None else [*records, first_of(config)])
    return changed_at


def require_reloadable(known: ConfigLog, config: Config) -> None:
    """
    Make sure that states made with the newest config go on with another one.

    Raises:
        NotReloadable: They do not; the text names the keys and what to do.
    """
    try:
        current = known.current()
    except ConfigError:
        # Of a version whose keys are others: what it said of them cannot be held against this one.
        return
    blocked = [] if current is None else refusals(current, config, known.windows, may_restart=True)
    if blocked:
        listed = "\n".join(f"  {one.key}: was {one.before}, is {one.after}" for one in blocked)
        raise NotReloadable(
            f"the states under the prefix {config.prefix} were made with other values of\n{listed}\n"
            "put them back, or stop the workers and build everything again: `plg topics reset`; "
            "`plg check --against-running` says what that costs"
        )
