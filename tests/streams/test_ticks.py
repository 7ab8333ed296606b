"""Ticks: a tick never overtakes an event that had happened before it, and every noted time arrives in the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.ticks import Watermark

PARTITIONS = 2
Place = tuple[str, int]


class Pipeline:
    """Three logs and the two steps between them: an event is its number, a tick is ("tick", time)."""

    def __init__(self) -> None:
        self.watermark = Watermark()
        self.now = 0
        self.source: dict[Place, list[int]] = {("source", p): [] for p in range(PARTITIONS)}
        self.users: dict[Place, list[object]] = {("users", p): [] for p in range(PARTITIONS)}
        self.workspaces: list[object] = []
        self.applied: dict[Place, int] = dict.fromkeys([*self.source, *self.users], 0)
        self.committed: dict[Place, int] = {}
        # For each noted time the events that had happened by then.
        self.before: dict[int, set[int]] = {}

    def happen(self, p: int) -> None:
        log = self.source["source", p]
        log.append(100 * len(log) + p)

    def note(self) -> None:
        self.now += 1
        self.before[self.now] = {event for log in self.source.values() for event in log}
        self.watermark.note(self.now, {place: len(log) for place, log in self.source.items() if log})

    def apply(self, step: str, p: int) -> None:
        place = (step, p)
        log: list[int] | list[object] = self.source[place] if step == "source" else self.users[place]
        if self.applied[place] < len(log):
            item = log[self.applied[place]]
            self.applied[place] += 1
            if step == "source":
                assert isinstance(item, int)
                # Events change their partition between two steps.
                self.users["users", (p + item // 100) % PARTITIONS].append(item)
            elif isinstance(item, int):
                self.workspaces.append(item)

    def commit(self, step: str, p: int) -> None:
        self.committed[step, p] = self.applied[step, p]

    def relay(self) -> None:
        time = self.watermark.for_users(self.committed)
        if time is not None:
            for log in self.users.values():
                log.append(("tick", time))
            self.watermark.sent_to_users(time, {place: len(log) for place, log in self.users.items()})
            assert self.before[time] <= {item for log in self.users.values() for item in log if isinstance(item, int)}
        time = self.watermark.for_workspaces(self.committed)
        if time is not None:
            assert self.before[time] <= {item for item in self.workspaces if isinstance(item, int)}
            self.workspaces.append(("tick", time))


STEPS = st.sampled_from(["source", "users"])
PARTITION = st.integers(0, PARTITIONS - 1)
MOVES = st.one_of(
    st.tuples(st.just("happen"), PARTITION),
    st.just(("note",)),
    st.tuples(st.just("apply"), STEPS, PARTITION),
    st.tuples(st.just("commit"), STEPS, PARTITION),
    st.just(("relay",)),
)


def play(moves: list[tuple[object, ...]]) -> Pipeline:
    pipeline = Pipeline()
    for name, *arguments in moves:
        getattr(pipeline, str(name))(*arguments)
    return pipeline


@given(st.lists(MOVES, max_size=60))
def test_a_tick_never_overtakes_its_events(moves: list[tuple[object, ...]]) -> None:
    pipeline = play(moves)

    ticks = [item for item in pipeline.workspaces if isinstance(item, tuple)]
    assert ticks == sorted(set(ticks))


@given(st.lists(MOVES, max_size=60))
def test_the_newest_noted_time_arrives_once_everything_is_committed(moves: list[tuple[object, ...]]) -> None:
    pipeline = play([*moves, ("note",)])

    for step in ("source", "users"):
        for p in range(PARTITIONS):
            for _ in range(200):
                pipeline.apply(step, p)
            pipeline.commit(step, p)
        pipeline.relay()
        for p in range(PARTITIONS):
            pipeline.apply("users", p)
    for p in range(PARTITIONS):
        for _ in range(200):
            pipeline.apply("users", p)
        pipeline.commit("users", p)
    pipeline.relay()

    assert pipeline.workspaces[-1] == ("tick", pipeline.now)
    assert pipeline.watermark.settled


def test_a_time_waits_for_the_last_record_before_it() -> None:
    watermark = Watermark()
    watermark.note(1_000, {("source", 0): 5, ("source", 1): 3})

    assert watermark.for_users({("source", 0): 5, ("source", 1): 2}) is None
    assert watermark.for_users({("source", 0): 5}) is None
    assert watermark.for_users({("source", 0): 5, ("source", 1): 3}) == 1_000
    assert watermark.for_users({("source", 0): 9, ("source", 1): 9}) is None


def test_of_several_times_passed_at_once_only_the_newest_goes_on() -> None:
    watermark = Watermark()
    for time_ms in (1_000, 2_000, 3_000):
        watermark.note(time_ms, {("source", 0): time_ms // 1_000})

    assert watermark.for_users({("source", 0): 2}) == 2_000
    assert watermark.for_users({("source", 0): 2}) is None
    assert watermark.for_users({("source", 0): 3}) == 3_000
