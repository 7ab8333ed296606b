"""Sink Redis: the stream of alerts, the work queue of each route, the live snapshot of each workspace."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec
import redis

from sinks.base import Delivery, Refused, Unavailable
from sinks.redis_connection import connect, require_access

if TYPE_CHECKING:
    from redis.client import Pipeline

# As long as plg.alerts keeps its records: a copy cannot come later than that.
REMEMBER_S: Final = 90 * 86_400
# The queue is read from the highest score down: the rank decides, the workspace's score orders within it.
PRIORITY_RANKS: Final = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
RANK_STEP: Final = 1_000

_PLAIN = re.compile(rb"[A-Za-z0-9_.:@-]{1,128}")
# Answers that say something about the server, not about the record. NOSCRIPT: it was restarted between two commands.
_SERVER_CODES = frozenset({"BUSY", "MISCONF", "NOREPLICAS", "UNBLOCKED", "UNKILLABLE", "NOTREADY"})
_SERVER_ERRORS = (
    redis.exceptions.ClusterError,
    redis.exceptions.AskError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.NoScriptError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
)


class _Alert(msgspec.Struct):
    """What the queue needs to know of an alert (SIGNALS 7); everything else passes through untouched."""

    id: str
    priority: str
    workspace_id: str
    route: str
    score: float = 0.0
    status: str = "open"
    signal_ids: list[str] = []


_ALERT = msgspec.json.Decoder(_Alert)


class RedisSink:
    """
    Writes `<prefix>.alerts` and `<prefix>.workspaces` to Redis, one Lua call a record.

    Every key starts with the hash tag `{prefix}`, so that all of them live on one node of a cluster. The server should
    run with `maxmemory-policy noeviction`: an evicted mark of a seen alert would let a copy through.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no text of ours.
        prefix: The prefix of topics and keys.
        stream_cap: About how many alerts the stream keeps.
        options: More for redis-py, such as `password` or `ssl_ca_certs`.
        passed_over: Routes whose alerts go elsewhere; those of a route that nobody knows any more are written.

    Raises:
        ConfigError: The URL cannot be read.
    """

    name = "redis"
    topics = ("alerts", "workspaces")

    def __init__(
        self,
        url: str,
        prefix: str = "plg",
        stream_cap: int = 100_000,
        passed_over: Collection[str] = (),
        *,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._client = connect(url, options or {})
        self._tag = b"{" + prefix.encode() + b"}:"
        self._alerts = f"{prefix}.alerts"
        self._workspaces = f"{prefix}.workspaces"
        self._cap = stream_cap
        self._passed_over = frozenset(passed_over)
        self._alert_script = self._client.register_script(_script("alert"))
        self._snapshot_script = self._client.register_script(_script("snapshot"))

    def check(self) -> None:
        """
        Ask the server for a sign of life.

        Raises:
            Unavailable: None came.
        """
        try:
            self._client.ping()
        except redis.exceptions.RedisError as error:
            raise Unavailable(_server_text(error)) from error

    def require_access(self) -> None:
        """
        Refuse at the start what only a person can mend; a server that is away is waited for.

        Raises:
            ConfigError: A wrong login or certificate, or TLS on one side only.
        """
        require_access(self._client)

    def deliver(self, record: Delivery) -> None:
        """Write one record; see `Sink.deliver`."""
        [refusal] = self.deliver_batch([record])
        if refusal is not None:
            raise refusal

    def deliver_batch(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
        """
        Write records in one round trip; see `BatchSink.deliver_batch`.

        When one record meets a full server and a later one does not, the second try writes them out of order: the
        places kept with queue and snapshots sort that out.
        """
        outcomes: list[Refused | None] = []
        # Not a transaction: each script is atomic, and EXEC would only block the server for longer.
        with self._client.pipeline(transaction=False) as pipeline:
            queued: list[int] = []
            for index, record in enumerate(records):
                outcome: Refused | None = None
                try:
                    if self._queue(pipeline, record):
                        queued.append(index)
                except Refused as refusal:
                    outcome = refusal
                outcomes.append(outcome)
            for index, answer in zip(queued, _execute(pipeline), strict=True):
                outcomes[index] = _outcome(answer)
        return outcomes

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _queue(self, pipeline: Pipeline, record: Delivery) -> bool:
        """Put the write of a record into the pipeline; returns whether there is one."""
        if record.topic == self._alerts:
            alert = _decode_alert(record.value)
            if alert.route in self._passed_over:
                return False
            self._queue_alert(pipeline, record, alert)
        elif record.topic == self._workspaces:
            self._queue_snapshot(pipeline, record)
        else:
            raise Refused("unknown_topic", f"the Redis sink does not read topic {record.topic}")
        return True

    def _queue_alert(self, pipeline: Pipeline, record: Delivery, alert: _Alert) -> None:
        route = _key_part(alert.route.encode())
        workspace = alert.workspace_id.encode()
        keys = (
            self._tag + b"alerts",
            self._tag + b"queue:" + route,
            self._tag + b"queue-offsets:" + route,
            self._tag + b"queue-open:" + route + b":" + _key_part(workspace),
            self._tag + b"seen:" + _seen_part(alert),
        )
        args = (
            alert.id.encode(),
            record.value or b"",
            REMEMBER_S,
            self._cap,
            self._tag + b"alerts:live",
            workspace,
            _queue_score(alert),
            record.partition,
            record.offset,
        )
        self._alert_script(keys=keys, args=args, client=pipeline)

    def _queue_snapshot(self, pipeline: Pipeline, record: Delivery) -> None:
        if not record.key:
            raise Refused("bad_snapshot", "a snapshot needs its workspace id as the key of the record")
        keys = (self._tag + b"workspace:" + _key_part(record.key), self._tag + b"workspace-offsets")
        args: list[bytes | int] = [record.key, record.partition, record.offset]
        if record.value is not None:
            args.append(record.value)
        self._snapshot_script(keys=keys, args=args, client=pipeline)


def snapshot_key(prefix: str, workspace_id: str) -> str:
    """The key under which the snapshot of a workspace stands, for whoever reads it."""
    return f"{{{prefix}}}:workspace:{_key_part(workspace_id.encode()).decode()}"


def _script(name: str) -> str:
    folder = files("sinks") / "lua"
    return "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name))


def _decode_alert(value: bytes | None) -> _Alert:
    if value is None:
        raise Refused("bad_alert", "an alert has no value")
    try:
        alert = _ALERT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec names path and type, never the value.
        raise Refused("bad_alert", str(error)) from error
    if alert.priority not in PRIORITY_RANKS:
        raise Refused("bad_alert", f"priority is not one of {', '.join(PRIORITY_RANKS)}")
    if alert.status not in {"open", "updated", "closed"}:
        raise Refused("bad_alert", "status is not one of open, updated, closed")
    return alert


def _queue_score(alert: _Alert) -> str:
    if alert.status == "closed":
        return ""
    return repr(PRIORITY_RANKS[alert.priority] * RANK_STEP + min(max(alert.score, 0.0), RANK_STEP - 1.0))


def _seen_part(alert: _Alert) -> bytes:
    """What makes two records copies of each other: the alert, what became of it, and how many signals joined it."""
    suffix = {"open": "", "closed": ":closed"}.get(alert.status, f":updated:{len(alert.signal_ids)}")
    return _key_part(f"{alert.id}{suffix}".encode())


def _key_part(text: bytes) -> bytes:
    """An id as part of a key: as it is where that is harmless, hashed where it is long, odd, or looks like a hash."""
    if _PLAIN.fullmatch(text) and not text.startswith(b"h:"):
        return text
    return b"h:" + hashlib.sha256(text).hexdigest().encode()


def _execute(pipeline: Pipeline) -> list[object]:
    try:
        # Errors come back as values: raised, redis-py would put the whole command, personal data included, in the text.
        return list(pipeline.execute(raise_on_error=False))
    except redis.exceptions.RedisError as error:
        raise Unavailable(_server_text(error)) from error


def _outcome(answer: object) -> Refused | None:
    """
    What an answer of the server means for its record.

    Raises:
        Unavailable: It is the server that has a problem.
    """
    if not isinstance(answer, redis.exceptions.RedisError):
        return None
    text = str(answer)
    if isinstance(answer, _SERVER_ERRORS) or text.partition(" ")[0] in _SERVER_CODES:
        raise Unavailable(_server_text(answer))
    if text.startswith("WRONGTYPE"):
        return Refused("wrong_type", f"{text.removeprefix('WRONGTYPE ')}; delete or rename it, then replay the record")
    return Refused("redis_error", text)


def _server_text(error: Exception) -> str:
    return f"Redis: {type(error).__name__}: {error}"
