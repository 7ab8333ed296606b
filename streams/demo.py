"""The demo: the whole river on one machine, fed by the simulator, watched in a terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
import redis
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from signals.config import Config
from signals.errors import PlgError
from simulator import Scenario, simulate
from streams.admin import create_topics
from streams.demo_view import Progress, alert_line, screen, status_line
from streams.embedded import embedded_broker, embedded_redis
from streams.lag import LagReader
from streams.replaying import Replay
from streams.settings import Settings
from streams.tally import Tally

# The embedded broker answers a join after half the session timeout.
SESSION_TIMEOUT_S = 6.0
# Fast enough to see companies grow, slow enough to read.
EVENTS_PER_S = 2_000.0
WORKSPACES = 600
STOP_S = 20.0
# What XREAD answers under RESP2 shapes: each stream with its entries.
Entries = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]
DEMO_CONFIG = Path(__file__).resolve().parent.parent / "config" / "demo.yaml"


class DemoFailed(PlgError):
    """A part of the demo ended by itself; the text holds the end of its log."""


def run_demo(config: Config, *, for_s: float | None, plain: bool, console: Console, seed: int) -> int:
    """
    Run broker, Redis, worker, sink and simulator until Ctrl-C or for `for_s` seconds.

    Returns:
        0 if alerts reached Redis, else 1.

    Raises:
        PlgError: A part could not start, or ended by itself.
    """
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.ExitStack() as running:
            console.print("starting a broker and a Redis on this machine ...")
            broker = running.enter_context(embedded_broker())
            redis_url = running.enter_context(embedded_redis())
            settings = Settings(kafka=broker, redis_url=SecretStr(redis_url), session_timeout_s=SESSION_TIMEOUT_S)
            create_topics(config, settings, sources=True)
            logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-demo-")))
            children = running.enter_context(_children(settings, logs))
            progress = Progress()
            feeder = threading.Thread(
                target=_feed, args=(config, settings, progress, stop, seed), name="simulator", daemon=True
            )
            feeder.start()
            console.print(
                f"broker {broker}, Redis {redis_url}; 60 simulated days ending now, {EVENTS_PER_S:,.0f} events/s. "
                "Ctrl-C ends it."
            )
            _watch(config, settings, children, progress, stop, for_s=for_s, plain=plain, console=console)
            stop.set()
            console.print("stopping ...")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    console.print(
        f"{progress.applied:,} events through the river, {progress.signals.total():,} signals, "
        f"{progress.opened} alerts in Redis"
        + (f", the first after {progress.first_alert_s:.1f} s" if progress.first_alert_s is not None else ""),
        soft_wrap=True,
    )
    return 0 if progress.opened else 1


# -- parts


@contextlib.contextmanager
def _children(settings: Settings, logs: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A worker and a Redis sink, as the processes they are in production."""
    environment = {
        **os.environ,
        "PLG_KAFKA": settings.kafka,
        "PLG_REDIS_URL": settings.redis_url.get_secret_value(),
        "PLG_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
        "PLG_CONFIG": str(DEMO_CONFIG),
        # Each its own: a PLG_HEALTH of this shell would be one port for both.
        "PLG_HEALTH": "127.0.0.1:0",
    }
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in {"worker": ["worker"], "redis sink": ["sinks", "redis"]}.items():
            log = (logs / f"{name}.log").open("wb")
            children[name] = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, "-m", "streams.cli", *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for us; we stop them in order.
                start_new_session=True,
            )
            children[name].log_path = logs / f"{name}.log"  # type: ignore[attr-defined]  # travels with the process
        yield children
    finally:
        for child in children.values():
            child.terminate()
        for child in children.values():
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _feed(config: Config, settings: Settings, progress: Progress, stop: threading.Event, seed: int) -> None:
    scenario = Scenario(seed=seed, workspaces=WORKSPACES, end=datetime.now(UTC))
    replay = Replay(config, settings, rate=EVENTS_PER_S)

    def lines() -> Iterator[bytes]:
        for event in simulate(scenario):
            if stop.is_set():
                return
            yield msgspec.json.encode(event)
            progress.produced += 1

    replay.play(lines())
    if not stop.is_set():
        replay.settle()
        progress.finished = True


# -- what a person sees


def _watch(  # noqa: PLR0913  # the parts it looks at
    config: Config,
    settings: Settings,
    children: dict[str, subprocess.Popen[bytes]],
    progress: Progress,
    stop: threading.Event,
    *,
    for_s: float | None,
    plain: bool,
    console: Console,
) -> None:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=False)
    stream = f"{{{config.prefix}}}:alerts"
    lag = LagReader(config, settings)
    tally = Tally(config, settings)
    progress.signals, progress.verdicts = tally.signals, tally.verdicts
    started = time.monotonic()
    last_id = b"0"
    shown = 0.0
    with contextlib.nullcontext() if plain else Live(console=console, auto_refresh=False) as live:
        while not stop.is_set() and (for_s is None or time.monotonic() - started < for_s):
            for name, child in children.items():
                if child.poll() is not None:
                    raise DemoFailed(f"the {name} ended by itself:\n{_tail(child)}")
            for entry_id, fields in _new_alerts(client, stream, last_id):
                last_id = entry_id
                alert = msgspec.json.decode(fields[b"data"], type=dict[str, object])
                progress.alerts.append(alert)
                if progress.first_alert_s is None:
                    progress.first_alert_s = time.monotonic() - started
                if plain:
                    console.print(alert_line(alert), soft_wrap=True)
            lag.read_into(progress)
            tally.read()
            if live is not None:
                # Here and not in a thread of its own, where a view that cannot be drawn would only stand still.
                live.update(screen(progress, rows=max(3, (console.height - 16) // 2)), refresh=True)
            elif time.monotonic() - shown > 2.0:  # noqa: PLR2004  # seconds between two lines
                shown = time.monotonic()
                console.print(status_line(progress), style="dim")
            stop.wait(0.5)


def _new_alerts(client: redis.Redis, stream: str, last_id: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
    answer = cast(
        "list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", client.xread({stream: last_id}, count=500)
    )
    return answer[0][1] if answer else []


def _tail(child: subprocess.Popen[bytes]) -> str:
    path: Path = child.log_path  # type: ignore[attr-defined]  # set where it was started
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
