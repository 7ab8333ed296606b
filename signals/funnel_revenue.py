"""Revenue: what workspaces pay now against what they paid then, and how much of what is new came from existing ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from signals.funnel import Account, MrrChange
from signals.units import DAY_MS

RETENTION_MS = {"30d": 30 * DAY_MS, "90d": 90 * DAY_MS, "365d": 365 * DAY_MS}
EXPANSION_MS = {"30d": 30 * DAY_MS, "90d": 90 * DAY_MS}


class Retained(msgspec.Struct, frozen=True):
    """
    Net and gross dollar retention over one period, of the workspaces that paid at its beginning.

    `unknown` pay now, and nobody can say what they paid then: the immature part. `moved` paid in another currency.
    """

    workspaces: int
    then: float
    now: float
    net: float | None
    gross: float | None
    unknown: int
    moved: int


class Expansion(msgspec.Struct, frozen=True):
    """What was won in one period: first revenue, and more of those who paid already."""

    new: float
    expansion: float
    share: float | None


class Revenue(msgspec.Struct, frozen=True):
    """The revenue in one currency, a month; currencies are never added up."""

    mrr: float
    paying: int
    retention: dict[str, Retained]
    expansion: dict[str, Expansion]


def revenues(accounts: Iterable[Account], now: int) -> dict[str, Revenue]:
    """Revenue by currency as of a moment (Unix milliseconds); blank where events name none."""
    histories = [sorted(account.changes.values()) for account in accounts if account.changes]
    currencies = sorted({change.currency for history in histories for change in history})
    return {currency: _revenue(histories, currency, now) for currency in currencies}


def _revenue(histories: Sequence[Sequence[MrrChange]], currency: str, now: int) -> Revenue:
    current = [amount for amount, paid_in in (_at(history, now) for history in histories) if paid_in == currency]
    return Revenue(
        mrr=sum(amount or 0 for amount in current),
        paying=sum((amount or 0) > 0 for amount in current),
        retention={name: _retained(histories, currency, now, span) for name, span in RETENTION_MS.items()},
        expansion={name: _expansion(histories, currency, now - span) for name, span in EXPANSION_MS.items()},
    )


def _retained(histories: Sequence[Sequence[MrrChange]], currency: str, now: int, span: int) -> Retained:
    begin, end, kept, paying, unknown, moved = 0.0, 0.0, 0.0, 0, 0, 0
    for history in histories:
        (before, paid_in), (after, pays_in) = _at(history, now - span), _at(history, now)
        if before is None and pays_in == currency and (after or 0) > 0:
            unknown += 1
        if paid_in != currency or not before:
            continue
        if pays_in != currency and after:
            moved += 1
            continue
        paying += 1
        begin, end, kept = begin + before, end + (after or 0), kept + min(before, after or 0)
    net, gross = (end / begin, kept / begin) if begin else (None, None)
    return Retained(paying, begin, end, net, gross, unknown, moved)


def _expansion(histories: Sequence[Sequence[MrrChange]], currency: str, since: int) -> Expansion:
    new, grown = 0.0, 0.0
    for history in histories:
        for change in history:
            # A first amount of somebody who may have paid before is a baseline, and so is one in another currency.
            if change.time <= since or change.currency != currency or change.previous is None:
                continue
            more = change.mrr - change.previous
            if more > 0 and change.previous > 0:
                grown += more
            elif more > 0:
                new += more
    total = new + grown
    return Expansion(new, grown, grown / total if total else None)


def _at(history: Sequence[MrrChange], time: int) -> tuple[float | None, str]:
    """What a workspace paid at a moment, None where that is unknown, and in which currency."""
    past = [change for change in history if change.time <= time]
    if past:
        return past[-1].mrr, past[-1].currency
    return history[0].previous, history[0].currency
