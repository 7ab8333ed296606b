"""
The brute-force reference for what time makes a workspace fire, and for its growth: it keeps a log and reads all of it.

Like `tests.signals.reference` it shares nothing with the engine but the event itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from signals.event import Event, Role, Scalar
from signals.units import DAY_MS

Fired = tuple[str, str, str, int]
Origin = tuple[int, str]
CALENDAR = {
    "%Y-%m-%d": ("day", "daily"),
    "%G-W%V": ("week", "weekly", "Weekly"),
    "%Y-%m": ("month", "monthly", "", None),
    "%Y": ("year", "yearly", "annual"),
}


@dataclass
class TimerNumbers:
    """The parameters that the tests vary."""

    silent_days: float = 14
    trial_days: float = 3
    limit_days: float = 3
    window: int = 14
    users: int = 3
    ratio: float = 0.5
    earlier: int = 1
    growth_cooldown_days: float = 14


@dataclass
class Entry:
    """Something that happened to a workspace, in the order of application."""

    what: str
    time: int
    event_id: str
    about: tuple[Scalar, ...] = ()


@dataclass
class History:
    """All that ever happened to a workspace."""

    log: list[Entry] = field(default_factory=list)
    is_paying: bool = False
    # Days on which anybody was active, but for those that were too old when they came.
    days: set[int] = field(default_factory=set)
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    ends_fired: list[int] = field(default_factory=list)

    def of(self, *what: str) -> list[Entry]:
        """The entries of some kinds."""
        return [entry for entry in self.log if entry.what in what]


class TimerReference:
    """Feed it what counts where; `fired` receives what fires, `idle` the trials that nobody used."""

    def __init__(self, numbers: TimerNumbers, fired: list[Fired]) -> None:
        self.numbers = numbers
        self.fired = fired
        self.idle: set[tuple[str, str]] = set()
        self.histories: dict[str, History] = defaultdict(History)

    def move(self, workspace: str, until: int) -> None:
        """Fire what is due before a moment."""
        history = self.histories[workspace]
        while True:
            waits = [*self._silence(history), *self._trial(history), *self._limits(history)]
            due = [wait for wait in waits if wait[0] < until]
            if not due:
                return
            time, signal, event_id, about = min(due)
            history.log.append(Entry(f"fired {signal}", time, event_id, about))
            if signal == "trial_ending":
                if history.is_paying:
                    continue
                day = time // DAY_MS
                # What is too old to be counted is known no more.
                newest = max(history.days, default=0)
                if not any(day - 7 < other <= day and newest - other < 90 for other in history.days):
                    self.idle.add((workspace, event_id))
            self.fired.append((signal, workspace, event_id, time))

    def tick(self, time: int) -> None:
        """Fire what is due at or before a moment, everywhere."""
        for workspace in list(self.histories):
            self.move(workspace, time + 1)

    def active_day(self, event: Event, workspace: str, known: set[int], newest: int) -> None:
        """A user was active; `known` are his days so far, `newest` is the workspace's."""
        number, length, history = event.time // DAY_MS, self.numbers.window, self.histories[workspace]
        if newest - number >= 90:
            return
        history.days.add(number)
        if number in known:
            return
        ends = [
            end for end in range(number, number + length) if not any(end - length < other <= end for other in known)
        ]
        for end in ends:
            history.counts[end] += 1
        for end in ends:
            if self._has_grown(history, end):
                history.ends_fired.append(end)
                self.fired.append(("seat_growth", workspace, event.id, event.time))
                return

    def _has_grown(self, history: History, end: int) -> bool:
        numbers = self.numbers
        now, before = history.counts.get(end, 0), history.counts.get(end - numbers.window, 0)
        if before < numbers.earlier or now - before < numbers.users or (now - before) / before < numbers.ratio:
            return False
        last = history.ends_fired[-1] if history.ends_fired else None
        return last is None or (end > last and end - last >= numbers.growth_cooldown_days)

    def applied(
        self,
        event: Event,
        workspace: str,
        roles: tuple[Role, ...],
        raised: set[str],
        *,
        is_active: bool,
        is_paying: bool,
    ) -> None:
        """An event was applied in a workspace and raised some signals there; it pays now, or not."""
        history = self.histories[workspace]
        log = history.log
        if is_active:
            log.append(Entry("active", event.time, event.id))
        if Role.USAGE_REPORTED in roles:
            self._report(history, event)
        if is_paying != history.is_paying:
            log.append(Entry("pays" if is_paying else "pays no more", event.time, event.id))
            history.is_paying = is_paying
        if raised & {"converted_to_paid", "plan_upgraded"}:
            log.append(Entry("upgrade", event.time, event.id))
        if Role.TRIAL_STARTED in roles:
            log.append(Entry("trial", event.time, event.id, (moment(event.properties.get("trial_end_date")),)))
        if Role.TRIAL_ENDED in roles:
            log.append(Entry("trial over", event.time, event.id))

    def _report(self, history: History, event: Event) -> None:
        used, limit = event.properties.get("used"), event.properties.get("limit")
        metric, period = event.properties.get("metric"), event.properties.get("period")
        metric = metric if isinstance(metric, str) else ""
        if type(used) not in {int, float} or type(limit) not in {int, float} or used < 0 or limit <= 0:  # type: ignore[operator]  # numbers by now
            return
        if any(entry.about[0] == metric and event.time < entry.time for entry in history.of("report")):
            return
        for form, words in CALENDAR.items():
            if period in words:
                period = datetime.fromtimestamp(event.time / 1_000, UTC).strftime(form)
        history.log.append(Entry("report", event.time, event.id, (metric, str(period), float(used), float(limit))))  # type: ignore[arg-type]

    def _silence(self, history: History) -> list[tuple[int, str, str, tuple[Scalar, ...]]]:
        if not history.is_paying:
            return []
        log, after = history.log, int(self.numbers.silent_days * DAY_MS)
        start = history.of("pays")[-1]
        told = [index for index, entry in enumerate(log) if entry.what == "fired went_silent"]
        if told:
            since = log[told[-1] :]
            has_come = any(entry.what == "active" and entry.time > log[told[-1]].time for entry in since)
            if not has_come and not any(entry.what == "pays" for entry in since):
                return []
        # `max` takes the first of equals.
        newest = max([*history.of("active"), start], key=lambda entry: entry.time)
        return [(newest.time + after, "went_silent", newest.event_id, ())]

    def _trial(self, history: History) -> list[tuple[int, str, str, tuple[Scalar, ...]]]:
        force: Entry | None = None
        pending: Entry | None = None
        done = set()
        for entry in history.of("trial", "trial over", "fired trial_ending"):
            if entry.what == "fired trial_ending":
                if not any(fired[0] == "trial_ending" and fired[2] == entry.event_id for fired in self.fired):
                    # It paid then.
                    pending = None
                    continue
                done.add(entry.about)
                pending = None
                continue
            if force is not None and entry.time < force.time:
                continue
            if entry.what == "trial over":
                pending = None
                continue
            (end,) = entry.about
            if not isinstance(end, int) or end <= entry.time or (force is not None and force.about == entry.about):
                continue
            force = entry
            pending = entry if entry.about not in done else None
        if pending is None:
            return []
        (end,) = pending.about
        assert isinstance(end, int)
        due = max(pending.time, end - int(self.numbers.trial_days * DAY_MS))
        return [(due, "trial_ending", pending.event_id, pending.about)]

    def _limits(self, history: History) -> list[tuple[int, str, str, tuple[Scalar, ...]]]:
        pending: dict[tuple[Scalar, ...], Entry] = {}
        done = set()
        last: dict[Scalar, Entry] = {}
        spent: dict[Scalar, bool] = defaultdict(bool)
        for entry in history.of("report", "upgrade", "fired limit_hit_no_upgrade"):
            if entry.what == "upgrade":
                pending.clear()
                continue
            if entry.what != "report":
                done.add(entry.about)
                pending.pop(entry.about, None)
                continue
            metric, period, used, limit = entry.about
            assert isinstance(used, float)
            assert isinstance(limit, float)
            pending = {
                key: hit for key, hit in pending.items() if not (key[0] == metric and float(hit.about[3]) < limit)
            }
            before, last[metric] = last.get(metric), entry
            if before is None or before.about[1] != period:
                spent[metric] = False
            elif limit > float(before.about[3]):
                spent[metric] &= used / limit >= 1
            if used / limit >= 1:
                if not spent[metric] and (metric, period) not in done:
                    pending.setdefault((metric, period), entry)
                spent[metric] = True
        after = int(self.numbers.limit_days * DAY_MS)
        return [(hit.time + after, "limit_hit_no_upgrade", hit.event_id, key) for key, hit in pending.items()]


def moment(value: Scalar | None) -> Scalar:
    """A time in the forms that the tests write, in ms; 0 for none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return 0
    if isinstance(value, int):
        return value * 1_000 if 10**9 < value < 10**11 else value if value >= 10**11 else 0
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return 0
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000)
