"""What a person sees of the demo: speed, lag, the funnel, what became of the signals, and alerts with their reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

SHOWN_ALERTS = 7
BAR_WIDTH = 24
# The stages of the product's funnel, by the signal that says that somebody is there.
FUNNEL = (
    ("signed up", "signed_up"),
    ("activated", "activated"),
    ("second user", "second_user"),
    ("team of five", "multi_user"),
    ("pays", "converted_to_paid"),
    ("expanded", "plan_upgraded"),
    ("cancelled", "cancelled"),
)
_STYLES = {"urgent": "bold red", "high": "bold yellow", "normal": "bold cyan", "low": "dim"}


@dataclass
class Progress:
    """What the demo has seen so far."""

    alerts: list[dict[str, object]] = field(default_factory=list)
    produced: int = 0
    finished: bool = False
    applied: int = 0
    lag: int = 0
    per_s: float = 0.0
    first_alert_s: float | None = None
    signals: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def opened(self) -> int:
        """The alerts without their updates and closings."""
        return sum(alert.get("status") == "open" for alert in self.alerts)


def status_line(progress: Progress) -> str:
    """Speed, lag and alerts in one line."""
    state = "history played; waiting" if progress.finished else f"{progress.per_s:,.0f} events/s"
    return (
        f"{state}   {progress.applied:,} of {progress.produced:,} events applied   "
        f"lag {progress.lag:,}   alerts {progress.opened:,}"
    )


def alert_line(alert: dict[str, object]) -> Text:
    """An alert as a rep would read it: how urgent, who, why, what to do."""
    line = Text()
    status, priority = alert.get("status"), str(alert.get("priority"))
    if status == "closed":
        line.append(f"[closed: {alert.get('reason')}] {alert.get('title')}", style="dim")
        return line
    line.append(f"[{priority}] ", style=_STYLES.get(priority, "bold"))
    line.append(("update: " if status == "updated" else "") + str(alert.get("title")), style="bold")
    why = alert.get("why")
    reasons = [_reason(item) for item in why] if isinstance(why, list) else []
    line.append(f"   {str(alert.get('occurred_at'))[:16]}   why: ")
    line.append("; ".join(reasons) or "-")
    line.append(f"   -> {alert.get('play')}", style="dim")
    return line


def screen(progress: Progress, rows: int = SHOWN_ALERTS) -> Group:
    """The whole view; `rows` is how many alerts there is room for, two lines each."""
    side = Table.grid(padding=(0, 3))
    side.add_row(_funnel(progress.signals), _decisions(progress))
    shown = [alert for alert in progress.alerts if alert.get("status") != "closed"][-rows:]
    return Group(
        Panel(status_line(progress), title="plg-signals", title_align="left"),
        side,
        Text(),
        Text("latest alerts", style="bold underline"),
        *(alert_line(alert) for alert in reversed(shown)),
    )


def _funnel(signals: Counter[str]) -> Table:
    table = Table(title="the funnel", title_justify="left", show_header=False, box=None, padding=(0, 1))
    top = max((signals[signal] for _, signal in FUNNEL), default=0)
    for label, signal in FUNNEL:
        count = signals[signal]
        table.add_row(label, ProgressBar(total=max(top, 1), completed=count, width=BAR_WIDTH), f"{count:,}")
    return table


def _decisions(progress: Progress) -> Table:
    found = progress.signals.total()
    title = f"{found:,} signals, {progress.opened:,} alerts"
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 1), min_width=36)
    for verdict, count in progress.verdicts.most_common(len(FUNNEL)):
        table.add_row(verdict.replace("_", " "), f"{count:,}")
    if not progress.verdicts:
        # A table without rows cannot have a width.
        table.add_row("nothing yet", "")
    return table


def _reason(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    threshold = item.get("threshold")
    return f"{item.get('fact')} {item.get('value')}" + (f" (threshold {threshold})" if threshold is not None else "")
