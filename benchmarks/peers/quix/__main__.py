"""Quix Streams doing the job as its documentation recommends: `apply` with state, `group_by`, all else default."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quixstreams import Application, State

from benchmarks.job import COMMIT_S, Job, Stopwatch, read_job, write_result
from benchmarks.reference import Team, UserCount, day_of


class _Progress:
    """Starts the clock with the first event, and stops the application when the last one has come back re-keyed."""

    def __init__(self, job: Job) -> None:
        self.watch: Stopwatch | None = None
        self.app: Application | None = None
        self._job = job
        self._left = job.events

    def on_processed(self, topic: str, _partition: int, _offset: int) -> None:
        if topic == self._job.topic:
            return
        self._left -= 1
        if self._left == 0 and self.app is not None:
            # It commits what it has, then ends.
            self.app.stop()


def _count(event: dict[str, Any], state: State) -> dict[str, Any]:
    user = UserCount(*state.get("user", (0, 0)))
    day = day_of(event["timestamp"])
    before = user.add(day)
    state.set("user", [user.events, user.newest_day])
    return {"workspace": event["context"]["groupId"], "user": event["userId"], "day": day, "before": before}


def _see(activity: dict[str, Any], state: State) -> bool:
    if activity["day"] == activity["before"]:
        # Seen there on that day already: nothing of the workspace changes.
        return False
    team = Team(*state.get("team", (0, 0, [], False)))
    fires = team.add(activity["day"], activity["before"])
    state.set("team", [team.newest_day, team.first, team.counts, team.has_fired])
    return fires


def _run(job: Job) -> None:
    progress = _Progress(job)
    app = Application(
        broker_address=job.kafka,
        consumer_group=job.prefix,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_S,
        state_dir=Path(job.result).with_suffix(".state"),
        on_message_processed=progress.on_processed,
        loglevel="ERROR",
    )
    progress.app = app

    def count(event: dict[str, Any], state: State) -> dict[str, Any]:
        progress.watch = progress.watch or Stopwatch.start()
        return _count(event, state)

    events = app.topic(job.topic, value_deserializer="json")
    signals = app.topic(job.signals, value_serializer="json", key_serializer="str")
    activity = app.dataframe(events).apply(count, stateful=True).group_by("workspace")
    fired = activity.filter(_see, stateful=True)
    fired.apply(lambda _activity: {"signal": "multi_user"}).to_topic(signals)
    app.run()
    assert progress.watch is not None
    write_result(job, progress.watch.result(job.events))


if __name__ == "__main__":
    _run(read_job(sys.argv[1]))
