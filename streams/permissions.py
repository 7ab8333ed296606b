"""What a process must be allowed to do in Kafka, and whether it is: asked at the start, to name what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from signals.errors import PlgError
from streams.settings import Settings
from streams.topics import Topics


class NotPermitted(PlgError):
    """The broker's ACLs keep a process from what it must do; the text lists every missing right."""


class Right(StrEnum):
    """An operation as Kafka's ACLs name it; the first two include the third."""

    READ = "Read"
    WRITE = "Write"
    DESCRIBE = "Describe"


class Need(NamedTuple):
    """One right on one resource: `kind` is `topic` or `group`."""

    kind: str
    name: str
    right: Right


def worker_needs(topics: Topics, sources: Sequence[str]) -> list[Need]:
    """Everything that a worker must be allowed to do, and nothing else; docs/operations.md has the same list."""
    logs = (topics.user_events, topics.workspace_facts, topics.users_changelog, topics.workspaces_changelog)
    read_and_written = (*logs, topics.config)
    written = (topics.signals, topics.alerts, topics.verdicts, topics.workspaces, topics.dead_letters)
    return [
        *(Need("topic", name, Right.READ) for name in (*topics.ingested(sources), *read_and_written)),
        *(Need("topic", name, Right.WRITE) for name in (*read_and_written, *written)),
        Need("group", topics.prefix, Right.READ),
    ]


def funnel_needs(topics: Topics) -> list[Need]:
    """The same of `plg funnel run`."""
    return [
        *(Need("topic", name, Right.READ) for name in (topics.signals, topics.alerts, topics.verdicts, topics.funnel)),
        *(Need("topic", name, Right.WRITE) for name in (topics.funnel, topics.dead_letters)),
        Need("group", f"{topics.prefix}-funnel", Right.READ),
    ]


def require_permissions(needs: Iterable[Need], settings: Settings) -> None:
    """
    Ask the broker what we may do.

    A broker that does not tell (it has no ACLs, or is not Apache Kafka's kind) and a topic that does not exist pass:
    what is wrong then shows later.

    Raises:
        NotPermitted: Rights are missing.
    """
    needed = list(needs)
    granted = _granted(needed, settings)
    missing = [need for need in needed if need.right not in granted.get((need.kind, need.name), {need.right})]
    if missing:
        listed = "\n".join(f"  {need.kind} {need.name}: {need.right}" for need in missing)
        who = settings.kafka_username or "this client"
        raise NotPermitted(
            f"Kafka at {settings.kafka} does not let {who} do what it must; grant these rights, "
            f"docs/operations.md lists what each process needs:\n{listed}"
        )


def _granted(needs: Sequence[Need], settings: Settings) -> Mapping[tuple[str, str], set[Right]]:
    """The rights that we have, by kind and name; what the broker says nothing about is left out."""
    client = AdminClient(settings.kafka_options)
    asking = {"include_authorized_operations": True, "request_timeout": settings.connect_timeout_s}
    found: dict[tuple[str, str], set[Right]] = {}
    topics = sorted({need.name for need in needs if need.kind == "topic"})
    groups = sorted({need.name for need in needs if need.kind == "group"})
    for kind, described in (
        ("topic", client.describe_topics(TopicCollection(topics), **asking)),
        ("group", client.describe_consumer_groups(groups, **asking)),
    ):
        for name, waiting in described.items():
            try:
                operations = waiting.result().authorized_operations
            except KafkaException as error:
                if error.args[0].name().endswith("_AUTHORIZATION_FAILED"):
                    found[kind, name] = set()
                continue
            if operations:
                found[kind, name] = set(_rights(operations))
    return found


def _rights(operations: Iterable[AclOperation]) -> Iterator[Right]:
    names = {operation.name for operation in operations}
    return (right for right in Right if right.name in names)
