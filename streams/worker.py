"""Runs one worker: start, watch, stop within a limit."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from types import FrameType

import structlog
from confluent_kafka import KafkaException

from signals.config import Clock, Config
from streams.admin import require_topics
from streams.app import Parts, build
from streams.build import is_compiled
from streams.config_source import ConfigSource
from streams.config_watch import ConfigWatch
from streams.configs import Configs, open_configs
from streams.endings import EXIT_FAILED, Deadline, Watchdog, described, fail_stop
from streams.first_start import position_sources
from streams.health import HealthServer
from streams.permissions import require_permissions, worker_needs
from streams.reach import require_broker
from streams.settings import Settings
from streams.sources import NewSources, source_topics
from streams.ticks import WallTicks
from streams.topics import Topics
from streams.worker_health import WorkerProbes

log = structlog.get_logger()

# How soon the sender of ticks names a new config.
_LOOK_S = 0.2
# More than a slice has in hand at a time.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def run_worker(config: Config, settings: Settings, source: ConfigSource) -> int:
    """
    Run a worker until SIGTERM or SIGINT.

    Args:
        config: What `source` had to say at the start.
        source: The file, to be watched.

    Returns:
        The process's exit code.

    Raises:
        PlgError: No broker, missing rights or topics, a health port that is taken, or a config that the states under
            the prefix do not go with; the text says what to do.
    """
    with HealthServer(settings) as server:
        require_broker(settings)
        sources = source_topics(config, settings)
        # Before the topics: one that may not be seen looks as if it were missing.
        require_permissions(worker_needs(Topics(config.prefix, config.topics.partitions), sources), settings)
        require_topics(config, settings)
        log.info("source.topics", topics=list(sources))
        configs = open_configs(config, settings, source.start.changed_at)
        position_sources(config, settings, sources)
        return asyncio.run(_run(config, settings, sources, server, configs, source))


async def _run(  # what `run_worker` has put together
    config: Config,
    settings: Settings,
    sources: tuple[str, ...],
    server: HealthServer,
    configs: Configs,
    source: ConfigSource,
) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    _stop_on_signals(loop, stop, settings)
    logging.getLogger("faust").setLevel(logging.ERROR)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    logging.getLogger("mode").setLevel(logging.ERROR)

    parts = build(config, settings, sources, configs.engine_of)
    if config.clock is Clock.WALL:
        # The newest, which may be another worker's file.
        parts.river.use(configs.config)
        configs.on_newest = parts.river.use
    parts.outbox.start()
    parts.prepare(settings)
    health = _Health(parts, settings, loop)
    probes = WorkerProbes(parts, config, settings, health.turns, configs)
    server.start(probes)
    await parts.app.start()
    checkpoints = loop.create_task(
        parts.checkpoint.run_every(settings.checkpoint_s, lambda: parts.idle, lambda: parts.river.busy_s)
    )
    watchdog = Watchdog(health.complaint)
    watchdog.start()
    ticks = WallTicks(config, settings, sources) if config.clock is Clock.WALL else None
    file = _watch_config(configs, source) if ticks is not None else None
    spare_collections()
    started = {"prefix": config.prefix, "config": configs.newest, "clock": config.clock.value}
    log.info("worker.started", **started, compiled=is_compiled())

    crashed = loop.create_task(parts.app.wait_until_stopped())
    stopping = loop.create_task(stop.wait())
    ticking = loop.create_task(_tick(parts, ticks, settings, configs)) if ticks is not None else None
    watching = loop.create_task(_watch_sources(config, settings, sources)) if config.source.pattern else None
    await asyncio.wait({crashed, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        fail_stop("worker.crashed", **described(parts.app.crash_reason))

    log.info("worker.stopping")
    probes.is_stopping = True
    watchdog.stop()
    if file is not None:
        file.stop()
        configs.stop()
    for task in (checkpoints, ticking, watching):
        if task is not None:
            task.cancel()
    await parts.app.stop()
    parts.outbox.stop()
    log.info("worker.stopped")
    return EXIT_FAILED if parts.app.crashed else 0


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, settings: Settings) -> None:
    """
    Set `stop` at SIGTERM or SIGINT, and end the process if it has not ended in time.

    The time runs from the signal itself, since asyncio's own handlers wait for a loop that may be what is stuck; and it
    runs until the process is gone, since Python waits at its end for threads that may be.
    """
    deadline = Deadline(settings.stop_timeout_s, "stop.timeout")

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        deadline.start()
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _watch_config(configs: Configs, source: ConfigSource) -> ConfigWatch:
    """Take changes of the file into account from now on, and those that other workers publish."""
    configs.start()
    watch = ConfigWatch(source.path, source.start, lambda seen: configs.consider(seen, lambda: source.read(seen)))
    watch.start()
    return watch


async def _tick(parts: Parts, ticks: WallTicks, settings: Settings, configs: Configs) -> None:
    """Let time pass for silent subjects while this worker owns partition 0: one sender in the group."""
    stepped_at = time.monotonic()
    while True:
        await asyncio.sleep(min(_LOOK_S, settings.tick_s))
        is_due = time.monotonic() - stepped_at >= min(1.0, settings.tick_s) or ticks.is_news(configs.newest)
        if is_due and not parts.idle and 0 in parts.users.recovered:
            stepped_at = time.monotonic()
            is_first = not parts.users.shard(0).fence.config
            try:
                await asyncio.to_thread(ticks.step, time.time_ns() // 1_000_000, configs.newest, is_first=is_first)
            except KafkaException as error:
                # A broker that is away for a while must not end the ticks of a worker for good.
                log.warning("tick.failed", error=str(error.args[0]))


async def _watch_sources(config: Config, settings: Settings, sources: tuple[str, ...]) -> None:
    """Say it when a topic appears that the pattern matches and nobody here reads."""
    new = NewSources(config, settings, sources)
    while True:
        await asyncio.sleep(settings.tick_s)
        try:
            await asyncio.to_thread(new.look)
        except KafkaException as error:
            log.warning("source.not_looked", error=str(error.args[0]))


def spare_collections() -> None:
    """
    Let the garbage collector look at less, and less often; for a process whose parts all stand by now.

    What stands (modules, above all) lives as long as the process: a full collection would stop the loop for 70 ms to
    look at it, instead of 10. What a slice makes is gone by its end without the collector, so it need not look for
    cycles among it several times a slice. States add little: what holds no other object is not looked at.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)


class _Health:
    """What watchdog and probes ask: is the loop turning, are sends acknowledged, does work move while there is lag."""

    def __init__(self, parts: Parts, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._parts = parts
        self._settings = settings
        self._loop = loop
        self._turned_at = time.monotonic()
        self._moved_at = time.monotonic()
        self._work = 0

    def complaint(self) -> str | None:
        """Why the worker should end now, or None."""
        now = time.monotonic()
        self._loop.call_soon_threadsafe(self._turn)
        if now - self._turned_at > self._settings.progress_timeout_s:
            return "the event loop does not turn"
        if self._parts.outbox.oldest_unacked_s() > self._settings.send_timeout_s:
            return "a send is not acknowledged"
        return self._no_progress(now)

    def turns(self, within_s: float) -> bool:
        """Whether the event loop turns in that time; waits for it, so ask from another thread."""
        turned = threading.Event()
        try:
            self._loop.call_soon_threadsafe(turned.set)
        except RuntimeError:
            # Closed: the process is about to end.
            return False
        return turned.wait(within_s)

    def _turn(self) -> None:
        self._turned_at = time.monotonic()

    def _no_progress(self, now: float) -> str | None:
        metrics = self._parts.metrics
        restored = self._parts.users.restored + self._parts.workspaces.restored
        work = metrics.ingested + metrics.user_records + metrics.workspace_records + restored
        if work != self._work or not self._has_work_waiting():
            self._work, self._moved_at = work, now
        if now - self._moved_at > self._settings.progress_timeout_s:
            return "there is lag or a recovery, and nothing moves"
        return None

    def _has_work_waiting(self) -> bool:
        if self._parts.idle:
            return True
        return self._parts.consumer.has_lag()
