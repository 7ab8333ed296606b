"""Stock Faust doing the job as its documentation shows it: processors, `group_by`, and a table write per event."""

from __future__ import annotations

import os
import sys
from typing import Any

import faust

from benchmarks.job import COMMIT_S, PARTITIONS, Job, Stopwatch, read_job, write_result
from benchmarks.reference import Team, UserCount, answer_of, day_of


def _build(job: Job) -> faust.App:
    app = faust.App(
        job.prefix,
        broker=f"kafka://{job.kafka}",
        value_serializer="json",
        topic_partitions=PARTITIONS,
        broker_commit_interval=COMMIT_S,
        web_enabled=False,
    )
    users = app.Table("users", default=lambda: [0, 0], partitions=PARTITIONS)
    workspaces = app.Table("workspaces", default=lambda: [0, 0, [], False], partitions=PARTITIONS)
    signals = app.topic(job.signals, internal=False)
    started: list[Stopwatch] = []

    def count(event: dict[str, Any]) -> dict[str, Any]:
        if not started:
            started.append(Stopwatch.start())
        user = event["userId"]
        counted = UserCount(*users[user])
        # `group_by` passes on the event itself, and with it what the processor has added.
        event["day"] = day_of(event["timestamp"])
        event["before"] = counted.add(event["day"])
        users[user] = [counted.events, counted.newest_day]
        return event

    async def see(stream: faust.StreamT[dict[str, Any]]) -> None:
        done = 0
        stream.add_processor(count)
        # The name of its topic begins with that of the events, which the next round reads too: hence the prefix in it.
        by_workspace = stream.group_by(lambda event: event["context"]["groupId"], name=f"{job.prefix}-workspace")
        async for event in by_workspace:
            workspace, day, before = event["context"]["groupId"], event["day"], event["before"]
            if day != before:
                newest_day, first, counts, has_fired = workspaces[workspace]
                # What a table holds must not be changed in place: Faust would not see it.
                team = Team(newest_day, first, list(counts), has_fired)
                if team.add(day, before):
                    await signals.send(key=workspace, value={"signal": "multi_user"})
                workspaces[workspace] = [team.newest_day, team.first, team.counts, team.has_fired]
            done += 1
            if done == job.events:
                result = started[0].result(done)
                result.answer = answer_of(
                    {user: UserCount(*state) for user, state in users.items()},
                    {workspace: Team(*state) for workspace, state in workspaces.items()},
                )
                write_result(job, result)
                # What a graceful stop would take is not measured.
                os._exit(0)

    app.agent(app.topic(job.topic, internal=False))(see)
    return app


if __name__ == "__main__":
    faust.Worker(_build(read_job(sys.argv[1])), loglevel="error", redirect_stdouts=False).execute_from_commandline()
