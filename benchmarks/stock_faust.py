"""Stock Faust doing the counting job as its documentation would: one event at a time, one table write each."""

from __future__ import annotations

import os
import sys
from typing import Any

import faust

from benchmarks.job import COMMIT_S, PARTITIONS, Count, Job, Stopwatch, read_job, write_result


def _build(job: Job) -> faust.App:
    app = faust.App(
        job.prefix,
        broker=f"kafka://{job.kafka}",
        value_serializer="json",
        topic_partitions=PARTITIONS,
        broker_commit_interval=COMMIT_S,
        web_enabled=False,
    )
    counts = app.Table("counts", default=lambda: [0, ""], partitions=PARTITIONS)

    async def count(stream: faust.StreamT[dict[str, Any]]) -> None:
        done, watch = 0, None
        async for event in stream:
            watch = watch or Stopwatch.start()
            user, day = event["userId"], event["timestamp"][:10]
            events, newest_day = counts[user]
            counts[user] = [events + 1, max(newest_day, day)]
            done += 1
            if done == job.events:
                result = watch.result(done)
                result.counts = {user: Count(*state) for user, state in counts.items()}
                write_result(job, result)
                # What a graceful stop would take is not measured.
                os._exit(0)

    app.agent(app.topic(job.topic, internal=False))(count)
    return app


if __name__ == "__main__":
    faust.Worker(_build(read_job(sys.argv[1])), loglevel="error", redirect_stdouts=False).execute_from_commandline()
