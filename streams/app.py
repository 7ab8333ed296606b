"""One worker put together: Faust's app, its three agents, two tables, the outbox and the checkpoint."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import faust
from faust.types import TP

from signals.codec import decode_user_state, decode_workspace_state, encode_state
from signals.compiled import Engine
from signals.config import Config
from signals.engines import Engines
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.agents import River
from streams.checkpoint import Checkpoint
from streams.continuity import Continuity
from streams.endings import fail_stop
from streams.metrics import Metrics
from streams.outbox import Outbox
from streams.settings import Settings
from streams.snapshots import Snapshots
from streams.tables import StateTable
from streams.topics import Topics
from streams.transport import SCHEME, Consumer, PassThroughSchema

S = TypeVar("S", UserState, WorkspaceState)

# Records a fetch hands over at once, and batches that may wait for an agent: memory against task switches.
MAX_POLL_RECORDS = 2_000
BATCHES_WAITING = 8
MAX_FETCH_BYTES = 2 * 1024 * 1024


@dataclass
class Parts:
    """What a worker is made of."""

    app: faust.App
    river: River
    users: StateTable[UserState]
    workspaces: StateTable[WorkspaceState]
    outbox: Outbox
    checkpoint: Checkpoint
    continuity: Continuity
    metrics: Metrics
    topics: Topics

    async def last_checkpoint(self) -> None:
        """Checkpoint before partitions go; where ingest stood in them means nothing to the next assignment."""
        await self.checkpoint.run()
        self.river.positions.clear()

    def is_recovered(self, assigned: set[TP]) -> bool:
        """Whether the states of every assigned partition of a keyed step are here."""
        recovered = {
            self.topics.user_events: self.users.recovered,
            self.topics.workspace_facts: self.workspaces.recovered,
        }
        return all(tp.partition in recovered[tp.topic] for tp in assigned if tp.topic in recovered)

    @property
    def consumer(self) -> Consumer:
        """The app's consumer, ours by construction."""
        return cast(Consumer, self.app.consumer)

    def prepare(self, settings: Settings) -> None:
        """Make Faust's consumer and tell it what it needs of the other parts; before the app starts."""
        self.app.in_worker = True
        self.app.finalize()
        consumer = self.consumer
        consumer.checkpoint = self.last_checkpoint
        consumer.gapless = frozenset({self.topics.user_events, self.topics.workspace_facts})
        consumer.is_recovered = self.is_recovered
        consumer.verify = self.continuity.verify
        consumer.drain_timeout_s = settings.drain_timeout_s

    @property
    def idle(self) -> bool:
        """True while there is nothing to checkpoint: the group rebalances, or tables recover."""
        return bool(self.app.rebalancing or self.app.in_recovery)


def build(
    config: Config, settings: Settings, sources: Sequence[str], engine_of: Callable[[str], Engine] | None = None
) -> Parts:
    """
    Make a worker's parts; call it inside the running loop. Nothing is connected yet.

    Args:
        sources: The customer's topics that this worker reads.
        engine_of: As `assemble` has it.

    Returns:
        The parts, with the agents registered.
    """
    return assemble(config, settings, sources, faust_app(config, settings), Outbox(settings.kafka_options), engine_of)


def assemble(  # the parts that a test replaces
    config: Config,
    settings: Settings,
    sources: Sequence[str],
    app: faust.App,
    outbox: Outbox,
    engine_of: Callable[[str], Engine] | None = None,
) -> Parts:
    """
    Put a worker together around what talks to the brokers: Faust's app and the outbox.

    Args:
        engine_of: The compiled rules by the hash that a log names; without it `config` alone is known.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    metrics = Metrics()
    users = _table(app, "users", topics, decode_user_state)
    workspaces = _table(app, "workspaces", topics, decode_workspace_state)
    owner = Owner(app, settings)
    engine_of = Engines(config).of if engine_of is None else engine_of
    river = River(
        config=config,
        engine_of=engine_of,
        topics=topics,
        sender=outbox,
        users=users,
        workspaces=workspaces,
        still_owner=owner.check,
        metrics=metrics,
    )
    tables: dict[str, StateTable[Any]] = {topics.user_events: users, topics.workspace_facts: workspaces}
    snapshots = Snapshots(workspaces, outbox, topics, engine_of, lambda: river.busy_s)
    workspaces.on_restored = snapshots.note_restored
    checkpoint = Checkpoint(
        sender=outbox,
        tables=tables,
        positions=lambda: river.positions,
        commit=owner.commit,
        at_barrier=snapshots.send_due,
        still_owner=owner.check,
        is_ending=lambda: river.is_ending,
        metrics=metrics,
    )
    ingested = topics.ingested(sources)
    continuity = Continuity(
        tables,
        ingested,
        topics.commands,
        ends=lambda tps: cast(Consumer, app.consumer).highwaters(*askable(app, tps)),
        beginnings=lambda tps: cast(Consumer, app.consumer).earliest_offsets(*askable(app, tps)),
    )
    app.agent(app.topic(*ingested, internal=False), name="ingest")(river.ingest)
    app.agent(app.topic(topics.user_events, internal=False), name="users")(river.users)
    app.agent(app.topic(topics.workspace_facts, internal=False), name="workspaces")(river.workspaces)
    return Parts(app, river, users, workspaces, outbox, checkpoint, continuity, metrics, topics)


def askable(app: faust.App, tps: list[TP]) -> list[TP]:
    """`tps` without those known not to be there: a question about one would wait for an answer in vain."""
    count_of = cast(Consumer, app.consumer).topic_partitions
    # What the consumer has not heard of yet is asked for.
    return [tp for tp in tps if (count := count_of(tp.topic)) is None or tp.partition < count]


def _table(app: faust.App, name: str, topics: Topics, decode: Callable[[bytes], S]) -> StateTable[S]:
    table = app.Table(
        name,
        partitions=topics.partitions,
        encode=encode_state,
        decode=decode,
        # In batches; 1 would mean something else to Faust's recovery.
        recovery_buffer_size=2,
    )
    return cast(StateTable[S], table)


class Owner:
    """Whether the partitions are still ours, and the commits that rest on it."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        self._app = app
        # Half the session timeout: the group cannot have given the partitions away yet (DESIGN 4.8).
        self._limit_s = settings.session_timeout_s / 2

    def check(self) -> None:
        """End the process if the group may already have another owner for our partitions."""
        age_s = cast(Consumer, self._app.consumer).heartbeat_age_s()
        if age_s > self._limit_s:
            fail_stop("owner.stale", heartbeat_age_s=round(age_s, 1), limit_s=self._limit_s)

    async def commit(self, offsets: Mapping[TP, int]) -> None:
        """Make offsets committable and commit them."""
        consumer = cast(Consumer, self._app.consumer)
        consumer.make_committable(offsets)
        # A commit already under way may have been too early for these; the second call makes its own.
        if not await consumer.commit():
            await consumer.commit()


def faust_app(config: Config, settings: Settings) -> faust.App:
    """Make the Faust app with every setting that our guarantees rest on; call it inside the running loop."""
    servers = ";".join(f"{SCHEME}://{server.strip()}" for server in settings.kafka.split(","))
    options: dict[str, Any] = {
        "broker": servers,
        "broker_credentials": _credentials(settings),
        "processing_guarantee": "at_least_once",
        "Table": StateTable,
        "Schema": PassThroughSchema,
        "store": "memory://",
        # Nothing of ours is in it, but Faust makes the folder, by default where the worker was started.
        "datadir": Path(tempfile.gettempdir()) / "plg-faust",
        "table_standby_replicas": 0,
        "topic_partitions": config.topics.partitions,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": MAX_FETCH_BYTES,
        "broker_max_poll_records": MAX_POLL_RECORDS,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.session_timeout_s / 10,
        "broker_request_timeout": max(60.0, settings.session_timeout_s),
        "broker_rebalance_timeout": 60.0,
        "broker_max_poll_interval": 300.0,
        # The checkpoint commits; Faust's own timers would only repeat it.
        "broker_commit_interval": 3_600.0,
        "broker_commit_every": 2**31,
        "stream_buffer_maxsize": BATCHES_WAITING,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        # Its web server would open 0.0.0.0:6066 with the tables' contents.
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "loop": asyncio.get_running_loop(),
    }
    return faust.App(config.prefix, version=1, **options)


def _credentials(settings: Settings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The login and the TLS context for Faust's own connections; None where neither is asked for."""
    security = settings.kafka_security
    context = settings.kafka_tls.context() if security.has_tls else None
    if security.has_sasl:
        password = settings.kafka_password
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=None if password is None else password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
