"""
What a backtest of one config has found: its alerts, what became of every signal, and who went on to pay.

Kept are alerts, conversions and counts, which grow with subjects and with what was found, never with the events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from signals.facts import Alert, AlertStatus, Decision, Firing, Outputs
from signals.workspace import WorkspaceState

_CONVERTED = "converted_to_paid"
# Only who pays, or has paid, raises them.
_OF_CUSTOMERS = frozenset({"plan_upgraded", "plan_downgraded", "cancelled"})
PERSONAL = "user:"


class SeenAlert(msgspec.Struct, gc=False):
    """
    An alert as it was opened, with what joined it later.

    `signal_id` is that of the signal that opened it, `sent_at` its event time in Unix milliseconds. `was_paying` says
    whether its workspace paid already. `signals` maps the ids of all its signals to their names: "" for one that only
    joined it as a reason and is no news.
    """

    id: str
    signal: str
    signal_id: str
    route: str
    priority: str
    workspace_id: str
    sent_at: int
    was_paying: bool
    signals: dict[str, str]

    def tells(self, signal: str) -> bool:
        """Whether it is about a signal, alone or among others of the same moment."""
        return signal in self.signals.values()


class SeenSignal(msgspec.Struct, gc=False):
    """A signal that fired: when (Unix milliseconds), in which workspace, and its last verdict so far."""

    signal: str
    workspace_id: str | None
    time: int
    decision: Decision | None = None
    reason: str | None = None


class Account(msgspec.Struct, gc=False):
    """
    A workspace as the history leaves it.

    `born` is its oldest event time; `is_new` says that its `workspace_created` was seen, `has_sign_ups` that somebody
    who signed up before our eyes is a member. `moved_to` is where the user of a personal one went.
    """

    id: str
    name: str | None
    domain: str | None
    born: int
    is_new: bool
    has_sign_ups: bool
    is_paying: bool
    moved_to: str | None


class Findings:
    """
    Listens to a lane.

    Args:
        is_paying: Tells of a workspace whether it pays now.
        keeps_signals: Whether every signal is kept with its verdict, for a comparison, or only counted.
    """

    def __init__(self, is_paying: Callable[[str], bool] = lambda _id: False, *, keeps_signals: bool = False) -> None:
        self.is_paying = is_paying
        self.fired: Counter[str] = Counter()
        # By signal and final verdict.
        self.verdicts: Counter[tuple[str, Decision]] = Counter()
        # By id, in the order in which they were opened.
        self.alerts: dict[str, SeenAlert] = {}
        # By workspace, the event time of its first conversion in this history.
        self.converted: dict[str, int] = {}
        # By workspace, when it first showed that it is a customer.
        self.customer_since: dict[str, int] = {}
        self.signals: dict[str, SeenSignal] = {}
        self.rule_errors: Counter[str] = Counter()
        self._keeps_signals = keeps_signals

    def take(self, out: Outputs) -> None:
        """Take what a step put out."""
        for firing in out.signals:
            self._take_signal(firing)
        for alert in out.alerts:
            self._take_alert(alert)
        for verdict in out.verdicts:
            if verdict.is_final:
                self.verdicts[verdict.signal, verdict.verdict] += 1
            told = self.alerts.get(verdict.alert_id) if verdict.alert_id is not None else None
            # Of what is `superseded` or was heard elsewhere the verdict names an alert that does not tell it.
            if told is not None and verdict.signal_id in told.signals:
                told.signals[verdict.signal_id] = verdict.signal
            seen = self.signals.get(verdict.signal_id)
            if seen is not None:
                seen.decision, seen.reason = verdict.verdict, verdict.reason
        for failure in out.errors:
            self.rule_errors[failure.rule] += 1

    def _take_signal(self, firing: Firing) -> None:
        name, workspace = firing.signal, firing.workspace_id
        self.fired[name] += 1
        if workspace is not None:
            if name == _CONVERTED:
                self.converted[workspace] = min(firing.time, self.converted.get(workspace, firing.time))
            elif name in _OF_CUSTOMERS:
                self.customer_since[workspace] = min(firing.time, self.customer_since.get(workspace, firing.time))
        if self._keeps_signals:
            self.signals[firing.id] = SeenSignal(name, workspace, firing.time)

    def _take_alert(self, alert: Alert) -> None:
        if alert.status is AlertStatus.OPEN:
            self.alerts[alert.id] = SeenAlert(
                alert.id,
                alert.signal,
                alert.signal_ids[0],
                alert.route,
                alert.priority,
                alert.workspace_id,
                alert.sent_at,
                self.is_paying(alert.workspace_id),
                dict.fromkeys(alert.signal_ids, ""),
            )
        elif alert.status is AlertStatus.UPDATED and (seen := self.alerts.get(alert.id)) is not None:
            seen.priority = alert.priority
            for signal_id in alert.signal_ids:
                seen.signals.setdefault(signal_id, "")


def account_of(workspace_id: str, state: WorkspaceState, *, is_paying: bool) -> Account | None:
    """What is to be known of a workspace; None of one that has no event of its own."""
    if state.since is None:
        return None
    return Account(
        workspace_id,
        state.name,
        state.domain,
        state.since,
        state.is_created,
        state.signed_up_members > 0,
        is_paying,
        state.moved_to,
    )


class Histories:
    """
    The accounts of a backtest, and what happened to each: the ground of all shares.

    A personal workspace is no account: what it was told counts for the real one that its user went to. An account that
    paid before our eyes saw it begin to is a customer, whom no alert can win any more.

    Args:
        accounts: All workspaces.
        findings: Of the same config.
        until: Where time stands at the end, Unix milliseconds.
        since: When counting begins: who had converted before is a customer, and who was born before has no beginning.
    """

    def __init__(self, accounts: Iterable[Account], findings: Findings, until: int, since: int = 0) -> None:
        everybody = {account.id: account for account in accounts}
        self.until = until
        self._since = since
        self.by_id = everybody
        self._real = [account for account in everybody.values() if not account.id.startswith(PERSONAL)]
        self.converted = {
            account.id: findings.converted[account.id] for account in self._real if account.id in findings.converted
        }
        self.customers = {account.id for account in self._real if self._is_customer(account, findings)}
        sees_creations = any(account.is_new for account in self._real)
        # As the funnel has it: where a bus carries no creations, a workspace begins with its first sign-up.
        self.born = {
            account.id: account.born
            for account in self._real
            if (account.is_new if sees_creations else account.has_sign_ups)
            and account.born >= since
            and account.id not in self.customers
        }

    def account_id(self, workspace_id: str) -> str | None:
        """The account that an alert of a workspace is about; None where that is a personal one to the end."""
        if not workspace_id.startswith(PERSONAL):
            return workspace_id
        account = self.by_id.get(workspace_id)
        return account.moved_to if account is not None else None

    def _is_customer(self, account: Account, findings: Findings) -> bool:
        converted, since = self.converted.get(account.id), findings.customer_since.get(account.id)
        if converted is None:
            return account.is_paying or since is not None
        return converted < self._since or (since is not None and since < converted)
