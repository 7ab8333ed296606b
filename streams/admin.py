"""Topics as they should be and as they are: creates what is missing, names what does not fit."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from signals.config import Config
from signals.errors import PlgError
from streams.first_start import rewind_sources
from streams.reach import BrokerUnavailable, require_broker
from streams.settings import Settings
from streams.settling import settle_dead_letters
from streams.topics import Topics, TopicSpec

# Between two questions about topics that were made just now.
_AGAIN_S = 0.5


class TopicsMissing(PlgError):
    """Topics are missing or have the wrong number of partitions; the text names them and the command that helps."""


class GroupInUse(PlgError):
    """Members of the consumer group are running where none may."""


@dataclass(frozen=True)
class TopicReport:
    """One topic held against its specification: `problem` is empty where it fits."""

    name: str
    partitions: int | None
    problem: str


@contextmanager
def _admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    # It cannot say why a broker does not let us in.
    require_broker(settings)
    # It logs each refused connection with a traceback's worth of lines; we say it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        client = KafkaAdminClient(
            bootstrap_servers=settings.kafka.split(","),
            request_timeout_ms=int(settings.connect_timeout_s * 1_000),
            bootstrap_timeout_ms=int(settings.connect_timeout_s * 1_000),
            **_security(settings),
        )
    except (KafkaError, OSError, ValueError) as error:
        raise BrokerUnavailable(
            f"no Kafka broker answers at {settings.kafka} ({type(error).__name__}); set PLG_KAFKA to host:port"
        ) from error
    try:
        yield client
    finally:
        client.close()


def _security(settings: Settings) -> dict[str, Any]:
    """The login and the TLS context in the words of the admin client."""
    security, options = settings.kafka_security, settings.kafka_options
    words: dict[str, Any] = {"security_protocol": security.value.upper()}
    if security.has_tls:
        words["ssl_context"] = settings.kafka_tls.context()
    if security.has_sasl:
        words |= {
            "sasl_mechanism": options["sasl.mechanism"],
            "sasl_plain_username": options["sasl.username"],
            "sasl_plain_password": options["sasl.password"],
        }
    return words


def create_topics(config: Config, settings: Settings, *, sources: bool = False) -> list[str]:
    """
    Create every topic of ours that is missing.

    Args:
        sources: Also the topics of the customer's bus, which in production are there already (demo and tests).

    Returns:
        The names created.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    specs = topics.specs()
    if sources:
        large = {"max.message.bytes": str(16 * 1024 * 1024), "retention.ms": "-1"}
        specs += [TopicSpec(name, config.topics.partitions, large) for name in config.source.topics]
    with _admin(settings) as client:
        present = set(client.list_topics())
        missing = [spec for spec in specs if spec.name not in present]
        if missing:
            replication = config.topics.replication
            client.create_topics(
                [NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.settings) for spec in missing]
            )
    return [spec.name for spec in missing]


def ensure_topics(config: Config, settings: Settings) -> None:
    """
    Create what is missing, and wait until the brokers know of it: they tell each other after they have answered.

    Raises:
        TopicsMissing: They do not in time.
    """
    create_topics(config, settings)
    give_up_at = time.monotonic() + settings.connect_timeout_s
    while True:
        try:
            require_topics(config, settings)
        except TopicsMissing:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def reset_topics(config: Config, settings: Settings) -> list[str]:
    """
    Forget everything derived: our logs, the changelogs and what the group has committed, so that it is built again.

    The customer's topics, signals, alerts and verdicts stay. What fires again has the same id, and sinks drop it.

    Returns:
        The topics made anew.

    Raises:
        GroupInUse: Workers are running.
        NotSettled: The dead letters could not be marked as settled.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    derived = {topics.user_events, topics.workspace_facts, topics.users_changelog, topics.workspaces_changelog}
    # It begins with the config that is in force then.
    derived.add(topics.config)
    # The rebuild reads the originals of what was redriven.
    derived.add(topics.redrive)
    with _admin(settings) as client:
        groups = client.describe_groups([config.prefix])
        if any(group["members"] for group in groups.values() if isinstance(group, dict)):
            raise GroupInUse(f"workers of group {config.prefix} are running; stop them first")
        there = set(client.list_topics())
        present = derived & there
        if topics.dead_letters in there:
            # Before anything is gone: a reset that fails here is repeated, one without the note would count twice.
            settle_dead_letters(topics, settings)
        if present:
            client.delete_topics(sorted(present))
        client.delete_groups([config.prefix])
        sources = config.source.among(there, config.prefix)
    rewind_sources(config, settings, sources)
    return create_topics(config, settings)


def check_topics(config: Config, settings: Settings) -> list[TopicReport]:
    """Hold every topic of ours, and the customer's, against what the worker needs."""
    topics = Topics(config.prefix, config.topics.partitions)
    with _admin(settings) as client:
        sources = config.source.among(client.list_topics(), config.prefix)
        expected = {spec.name: spec.partitions for spec in topics.specs()} | dict.fromkeys(sources, 0)
        described = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(list(expected))}
    reports = [_report(name, wanted, described.get(name, 0)) for name, wanted in expected.items()]
    return (
        reports
        if sources
        else [*reports, TopicReport("source.pattern", None, f"{config.source.pattern!r} matches no topic")]
    )


def _report(name: str, wanted: int, seen: int) -> TopicReport:
    if seen == 0:
        return TopicReport(name, None, "missing")
    if wanted not in (0, seen):
        return TopicReport(name, seen, f"has {seen} partitions, the config says {wanted}")
    return TopicReport(name, seen, "")


def require_topics(config: Config, settings: Settings) -> None:
    """
    Make sure a worker can start.

    Raises:
        BrokerUnavailable: Nobody answers.
        TopicsMissing: What is missing or does not fit, and what to do.
    """
    # Of the funnel's rows a worker knows nothing, and it need not be allowed to see them.
    own = Topics(config.prefix, config.topics.partitions).funnel
    wrong = [report for report in check_topics(config, settings) if report.problem and report.name != own]
    if wrong:
        listed = "\n".join(f"  {report.name}: {report.problem}" for report in wrong)
        raise TopicsMissing(
            f"topics do not fit the config:\n{listed}\n"
            "Missing topics of ours are made by `plg topics create`; the number of partitions is fixed at birth."
        )
