"""Bytewax doing the job as its documentation shows it: Kafka in, `key_on` and `stateful_map` twice, Kafka out."""

from __future__ import annotations

import sys

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.job import Job, Result, Stopwatch, read_job, write_result
from benchmarks.reference import Activity, Team, Use, UserCount, answer_of, day_of


class _Steps:
    """The two steps; they also keep sight of every state, because Bytewax shows none at its end."""

    def __init__(self, job: Job) -> None:
        self.users: dict[str, UserCount] = {}
        self.teams: dict[str, Team] = {}
        self.result: Result | None = None
        self._watch: Stopwatch | None = None
        self._job = job
        self._left = job.events

    def count(self, state: UserCount | None, use: Use) -> tuple[UserCount, Activity]:
        self._watch = self._watch or Stopwatch.start()
        if state is None:
            state = self.users[use.userId] = UserCount()
        day = day_of(use.timestamp)
        return state, Activity(use.context.groupId, use.userId, day, state.add(day))

    def see(self, state: Team | None, keyed: tuple[str, Activity]) -> tuple[Team, bool]:
        _user, activity = keyed
        if state is None:
            state = self.teams[activity.workspace] = Team()
        fires = state.add(activity.day, activity.before)
        self._left -= 1
        if self._left == 0 and self._watch is not None:
            self.result = self._watch.result(self._job.events)
        return state, fires


def _flow(job: Job, steps: _Steps) -> Dataflow:
    decode = msgspec.json.Decoder(Use).decode
    flow = Dataflow("reference")
    # Not `tail`: it ends with the topic.
    events = kop.input("events", flow, brokers=[job.kafka], topics=[job.topic], tail=False)
    uses = op.map("decode", events.oks, lambda message: decode(message.value))
    by_user = op.key_on("by-user", uses, lambda use: use.userId)
    activity = op.stateful_map("count", by_user, steps.count)
    by_workspace = op.key_on("by-workspace", activity, lambda keyed: keyed[1].workspace)
    seen = op.stateful_map("see", by_workspace, steps.see)
    fired = op.filter("fired", seen, lambda keyed: keyed[1])
    signals = op.map("signal", fired, lambda keyed: KafkaSinkMessage(keyed[0].encode(), b'{"signal":"multi_user"}'))
    kop.output("signals", signals, brokers=[job.kafka], topic=job.signals)
    return flow


def _run(job: Job) -> None:
    steps = _Steps(job)
    run_main(_flow(job, steps))
    assert steps.result is not None
    steps.result.answer = answer_of(steps.users, steps.teams)
    write_result(job, steps.result)


if __name__ == "__main__":
    _run(read_job(sys.argv[1]))
