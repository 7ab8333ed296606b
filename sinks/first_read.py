"""Where a consumer group begins that has never read: not with the first record of a long topic, and only once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, TopicPartition

_ASK_S: Final = 10.0


def begin(consumer: Consumer, partitions: Sequence[TopicPartition], moment: float) -> None:
    """
    Place the partitions of which the group has committed nothing at a moment, and commit that at once.

    Committed, because until its first record a partition would begin anew at every start, and what came while nobody
    read would be passed over. Called while partitions are being assigned.

    Args:
        consumer: A member of the group.
        partitions: Newly assigned.
        moment: Unix seconds; a partition without a record since then begins at its end.

    Raises:
        KafkaException: The broker does not answer; better no reading than reading everything.
    """
    known = consumer.committed([TopicPartition(p.topic, p.partition) for p in partitions], timeout=_ASK_S)
    new = [TopicPartition(p.topic, p.partition, int(moment * 1_000)) for p in known if p.offset < 0]
    if not new:
        return
    places = consumer.offsets_for_times(new, timeout=_ASK_S)
    for place in places:
        if place.offset < 0:
            place.offset = consumer.get_watermark_offsets(place, timeout=_ASK_S)[1]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.assign([*(p for p in known if p.offset >= 0), *places])
