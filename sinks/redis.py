"""Sink Redis: the stream of alerts, the work queue of each route, the live snapshot of each workspace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import redis

from sinks.base import Delivery, Refused, Unavailable
from sinks.redis_alert import QueuedAlert, decode_alert, key_part
from sinks.redis_connection import connect, require_access

if TYPE_CHECKING:
    from redis.client import Pipeline

# As long as plg.alerts keeps its records: a copy cannot come later than that.
REMEMBER_S: Final = 90 * 86_400
# Looked at in one go by `empty`: a server does nothing else meanwhile.
SCAN_KEYS: Final = 1_000
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


class Written(Enum):
    """What became of a record that was not refused."""

    NEW = "new"
    # A copy, or older than what stands there.
    KNOWN = "known"
    # Its route goes elsewhere.
    ELSEWHERE = "elsewhere"


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
        is_news: Which alerts are told on the live channel, if they are new to Redis.

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
        is_news: Callable[[Delivery], bool] = lambda _: True,
    ) -> None:
        self._client = connect(url, options or {})
        self._tag = b"{" + prefix.encode() + b"}:"
        self._alerts = f"{prefix}.alerts"
        self._workspaces = f"{prefix}.workspaces"
        self._cap = stream_cap
        self._passed_over = frozenset(passed_over)
        self._is_news = is_news
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
        """Write records in one round trip; see `BatchSink.deliver_batch`."""
        return [outcome if isinstance(outcome, Refused) else None for outcome in self.write(records)]

    def write(self, records: Sequence[Delivery]) -> Sequence[Written | Refused]:
        """
        Write records in one round trip.

        When one record meets a full server and a later one does not, the second try writes them out of order: the
        scripts sort that out.

        Returns:
            What became of each.

        Raises:
            Unavailable: Some may have been written; all of them are to come again.
        """
        outcomes: list[Written | Refused] = []
        # Not a transaction: each script is atomic, and EXEC would only block the server for longer.
        with self._client.pipeline(transaction=False) as pipeline:
            queued: list[int] = []
            for index, record in enumerate(records):
                outcome: Written | Refused = Written.ELSEWHERE
                try:
                    if self._queue(pipeline, record):
                        queued.append(index)
                except Refused as refusal:
                    outcome = refusal
                outcomes.append(outcome)
            for index, answer in zip(queued, _execute(pipeline), strict=True):
                outcomes[index] = _outcome(answer)
        return outcomes

    def empty(self, on_deleted: Callable[[int], None] = lambda _: None) -> int:
        """
        Delete every key of the prefix. No sink may be writing: of an alert, one key could go and another stay.

        Args:
            on_deleted: Told now and then how many are gone.

        Returns:
            How many there were.

        Raises:
            Unavailable: Some may be left.
        """
        deleted = cursor = 0
        try:
            while True:
                # A prefix has no character that means something in a pattern.
                cursor, keys = self._client.scan(cursor, self._tag + b"*", SCAN_KEYS)
                deleted += self._client.unlink(*keys) if keys else 0
                on_deleted(deleted)
                if cursor == 0:
                    return deleted
        except redis.exceptions.RedisError as error:
            raise Unavailable(_server_text(error)) from error

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _queue(self, pipeline: Pipeline, record: Delivery) -> bool:
        """Put the write of a record into the pipeline; returns whether there is one."""
        if record.topic == self._alerts:
            alert = decode_alert(record.value)
            if alert.route in self._passed_over:
                return False
            self._queue_alert(pipeline, record, alert)
        elif record.topic == self._workspaces:
            self._queue_snapshot(pipeline, record)
        else:
            raise Refused("unknown_topic", f"the Redis sink does not read topic {record.topic}")
        return True

    def _queue_alert(self, pipeline: Pipeline, record: Delivery, alert: QueuedAlert) -> None:
        route = key_part(alert.route.encode())
        workspace = alert.workspace_id.encode()
        keys = (
            self._tag + b"alerts",
            self._tag + b"queue:" + route,
            self._tag + b"queue-open:" + route + b":" + key_part(workspace),
            self._tag + b"seen:" + alert.seen_part,
            self._tag + b"seen:" + alert.closed_part,
        )
        args = (
            alert.id.encode(),
            record.value or b"",
            REMEMBER_S,
            self._cap,
            self._tag + b"alerts:live" if self._is_news(record) else b"",
            workspace,
            alert.queue_score,
            alert.step,
        )
        self._alert_script(keys=keys, args=args, client=pipeline)

    def _queue_snapshot(self, pipeline: Pipeline, record: Delivery) -> None:
        if not record.key:
            raise Refused("bad_snapshot", "a snapshot needs its workspace id as the key of the record")
        keys = (self._tag + b"workspace:" + key_part(record.key), self._tag + b"workspace-offsets")
        args: list[bytes | int] = [record.key, record.partition, record.offset]
        if record.value is not None:
            args.append(record.value)
        self._snapshot_script(keys=keys, args=args, client=pipeline)


def snapshot_key(prefix: str, workspace_id: str) -> str:
    """The key under which the snapshot of a workspace stands, for whoever reads it."""
    return f"{{{prefix}}}:workspace:{key_part(workspace_id.encode()).decode()}"


def _script(name: str) -> str:
    folder = files("sinks") / "lua"
    return "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name))


def _execute(pipeline: Pipeline) -> list[object]:
    try:
        # Errors come back as values: raised, redis-py would put the whole command, personal data included, in the text.
        return list(pipeline.execute(raise_on_error=False))
    except redis.exceptions.RedisError as error:
        raise Unavailable(_server_text(error)) from error


def _outcome(answer: object) -> Written | Refused:
    """
    What an answer of the server means for its record.

    Raises:
        Unavailable: It is the server that has a problem.
    """
    if not isinstance(answer, redis.exceptions.RedisError):
        return Written.NEW if answer == 1 else Written.KNOWN
    text = str(answer)
    if isinstance(answer, _SERVER_ERRORS) or text.partition(" ")[0] in _SERVER_CODES:
        raise Unavailable(_server_text(answer))
    if text.startswith("WRONGTYPE"):
        return Refused(
            "wrong_type", f"{text.removeprefix('WRONGTYPE ')}; delete or rename it, then run `plg rebuild redis`"
        )
    return Refused("redis_error", text)


def _server_text(error: Exception) -> str:
    return f"Redis: {type(error).__name__}: {error}"
