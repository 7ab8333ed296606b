"""The ceiling of this machine in Python: consume and parse, count nothing, keep nothing."""

from __future__ import annotations

import sys

import msgspec
from confluent_kafka import Consumer

from benchmarks.job import Job, Stopwatch, read_job, write_result
from benchmarks.reference import Use

_BATCH = 1_000
_BATCH_WAIT_S = 0.05


def _run(job: Job) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": job.kafka,
            "group.id": job.prefix,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([job.topic])
    decode = msgspec.json.Decoder(Use).decode
    done, watch = 0, None
    while done < job.events:
        messages = consumer.consume(_BATCH, _BATCH_WAIT_S)
        if messages:
            watch = watch or Stopwatch.start()
        for message in messages:
            decode(message.value())
        done += len(messages)
    assert watch is not None
    write_result(job, watch.result(done))
    consumer.close()


if __name__ == "__main__":
    _run(read_job(sys.argv[1]))
