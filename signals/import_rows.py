"""The rows of a file to be imported: read, checked, put together by workspace, and written as records of an import."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from signals.imported import MAX_METRICS, Imported, ImportedMember, ImportedUsage, ImportedWorkspace
from signals.moments import iso, parse_time
from signals.names import normal_name
from signals.units import plural

if TYPE_CHECKING:
    from signals.billing import Number
    from signals.config import Config

# So many mistakes are told; a file with more is most likely not the file that was meant.
MOST_MISTAKES: Final = 20
# What RFC 5321 lets an address have.
_MAX_ADDRESS_CHARS = 320
_MOST = 1e15
_CURRENCY_CHARS = 3

# The columns of a file and the other names they may have; compared like event names.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "workspace": ("workspace_id", "group_id", "account", "account_id"),
    "name": ("workspace_name", "account_name"),
    "domain": (),
    "employees": (),
    "plan": ("plan_name",),
    "seats": (),
    "mrr": (),
    "currency": (),
    "activated_at": (),
    "trial_end": ("trial_end_date",),
    "usage": (),
    "members": (),
    "user": ("user_id",),
    "email": (),
    "role": (),
    "user_activated_at": (),
}
_MEMBER_KEYS: Mapping[str, tuple[str, ...]] = {
    "user": ("user_id", "id"),
    "email": (),
    "role": (),
    "activated_at": ("user_activated_at",),
}
_USAGE_KEYS: Mapping[str, tuple[str, ...]] = {"metric": (), "used": (), "limit": (), "period": ()}
_OF_MEMBER = ("user", "email", "role", "user_activated_at")


class Mistake(ValueError):
    """What is wrong with a row, without its line."""


class _Member(msgspec.Struct):
    user_id: str
    line: int
    email: str | None = None
    activated_at: int | None = None


class _Workspace(msgspec.Struct):
    line: int
    values: dict[str, str | int | float] = {}
    usage: tuple[ImportedUsage, ...] = ()
    members: dict[str, _Member] = {}


class ImportRows:
    """
    Rows, one after the other; a workspace may have several, which must not contradict each other.

    Args:
        config: In which zone bare times are, how long ids may be, which plans there are.
        at: The moment of which the file speaks, Unix milliseconds.
    """

    def __init__(self, config: Config, at: int) -> None:
        self.at = at
        # Each `line 3: seats: ...`; of more than `MOST_MISTAKES` the first ones.
        self.mistakes: list[str] = []
        self.mistakes_found = 0
        self._config = config
        self._workspaces: dict[str, _Workspace] = {}
        # Of each user the earliest activation that any of his rows tells: it is his, wherever it was.
        self._activated: dict[str, int] = {}
        self._columns: dict[str, str] = {}

    def __len__(self) -> int:
        """Count the records."""
        return len(self._workspaces) + self.members

    @property
    def workspaces(self) -> int:
        """Count them."""
        return len(self._workspaces)

    @property
    def members(self) -> int:
        """Count the memberships: a user in two workspaces has two."""
        return sum(len(one.members) for one in self._workspaces.values())

    @property
    def users(self) -> int:
        """Count the users."""
        return len({user for one in self._workspaces.values() for user in one.members})

    def columns(self, names: Sequence[str]) -> list[str]:
        """
        Read the head of a table: the names as `add` takes them.

        Raises:
            Mistake: One is unknown or there twice, or the workspace is missing.
        """
        found = [_key(name, COLUMNS) for name in names]
        for name in found:
            if found.count(name) > 1:
                raise Mistake(f"the column {name} is there twice")
        if "workspace" not in found:
            raise Mistake(f"a column `workspace` is missing; there are {', '.join(found)}")
        return found

    def refuse(self, line: int, problem: str) -> None:
        """Take note of a mistake."""
        self.mistakes_found += 1
        if len(self.mistakes) < MOST_MISTAKES:
            self.mistakes.append(f"line {line}: {problem}")

    def add(self, line: int, row: Mapping[str, object]) -> None:
        """Take a row: values by column, text or JSON; null and blank text are absent. Mistakes are noted."""
        try:
            self._add(line, _named(row, self._column))
        except Mistake as mistake:
            self.refuse(line, str(mistake))

    def records(self) -> Iterator[Imported]:
        """What is to be sent, in the order of the file; equal files give equal records."""
        for workspace_id, one in self._workspaces.items():
            # The names of the columns are those of the fields.
            yield msgspec.convert(
                {**one.values, "log": "workspace", "workspace_id": workspace_id, "time": self.at, "usage": one.usage},
                ImportedWorkspace,
            )
            for member in one.members.values():
                email = member.email
                if email is not None and not self._config.alerts.show_email:
                    # The host is all that is asked of it, so the rest of it goes nowhere.
                    email = "@" + email.rpartition("@")[2]
                yield ImportedMember(workspace_id, member.user_id, self.at, email, self._activated.get(member.user_id))

    def warnings(self) -> list[str]:
        """What is allowed, and may not be what was meant."""
        return [*self._about_plans(), *self._about_gates()]

    def _column(self, name: str) -> str:
        known = self._columns.get(name)
        if known is None:
            known = self._columns[name] = _key(name, COLUMNS)
        return known

    def _add(self, line: int, row: Mapping[str, object]) -> None:
        workspace_id = self._id(row, "workspace")
        if workspace_id.startswith("user:"):
            raise Mistake("workspace: an id that begins with user: is that of a personal workspace of ours")
        values = self._values(row)
        known = self._workspaces.get(workspace_id)
        if known is not None:
            for name, value in values.items():
                if known.values.get(name, value) != value:
                    raise Mistake(f"{name}: another value than in line {known.line}, of the same workspace")
        usage = self._usage(row)
        members = [*self._members(line, row)]
        if known is None:
            known = self._workspaces[workspace_id] = _Workspace(line)
        known.values.update(values)
        known.usage = usage or known.usage
        for member in members:
            self._take(known, member)

    def _take(self, workspace: _Workspace, member: _Member) -> None:
        known = workspace.members.setdefault(member.user_id, member)
        if member.email is not None and known.email not in (None, member.email):
            raise Mistake(f"email: another address than in line {known.line}, of the same member")
        known.email = known.email or member.email
        if member.activated_at is not None:
            earliest = self._activated.get(member.user_id, member.activated_at)
            self._activated[member.user_id] = min(earliest, member.activated_at)

    def _values(self, row: Mapping[str, object]) -> dict[str, str | int | float]:
        values: dict[str, str | int | float] = {}
        for name in ("name", "plan", "domain"):
            if name in row:
                values[name] = self._text(row, name)
        if "plan" in row and not normal_name(str(row["plan"])):
            raise Mistake("plan: must have a letter or a digit")
        for name in ("employees", "seats", "mrr"):
            if name in row:
                values[name] = _number(row[name], name)
        if "currency" in row:
            code = self._text(row, "currency").upper()
            if len(code) != _CURRENCY_CHARS or not (code.isascii() and code.isalpha()):
                raise Mistake(f"currency: must be a code such as USD, got {code[:10]!r}")
            values["currency"] = code
        if "activated_at" in row:
            values["activated_at"] = self._past(row["activated_at"], "activated_at")
        if "trial_end" in row:
            values["trial_end"] = self._time(row["trial_end"], "trial_end")
        return values

    def _members(self, line: int, row: Mapping[str, object]) -> Iterator[_Member]:
        if "user" in row:
            of_row = {"user": row["user"], "email": row.get("email"), "activated_at": row.get("user_activated_at")}
            yield self._member(line, {name: value for name, value in of_row.items() if value is not None})
        elif any(name in row for name in _OF_MEMBER):
            raise Mistake("user: missing, but the row has what belongs to a member")
        listed = row.get("members", [])
        if isinstance(listed, str):
            listed = [one.strip() for one in listed.split(";") if one.strip()]
        if not isinstance(listed, list):
            problem = "members: must be a list of user ids or of objects with an id; how many there are is not enough"
            raise Mistake(problem)
        for one in listed:
            if isinstance(one, dict):
                # The role says something to people and nothing to us.
                given = _named(one, lambda name: _key(name, _MEMBER_KEYS))
                yield self._member(line, given)
            else:
                yield self._member(line, {"user": one})

    def _member(self, line: int, row: Mapping[str, object]) -> _Member:
        member = _Member(self._id(row, "user"), line)
        if "email" in row:
            email = row["email"]
            if not isinstance(email, str) or "@" not in email or len(email.strip()) > _MAX_ADDRESS_CHARS:
                raise Mistake("email: must be an address with an @ in it")
            member.email = email.strip()
        if "activated_at" in row:
            member.activated_at = self._past(row["activated_at"], "activated_at of a member")
        return member

    def _usage(self, row: Mapping[str, object]) -> tuple[ImportedUsage, ...]:
        listed = row.get("usage", [])
        if not isinstance(listed, list) or len(listed) > MAX_METRICS:
            raise Mistake(
                f"usage: must be a list of at most {MAX_METRICS} objects with used and limit (JSON lines only)"
            )
        found = []
        for one in listed:
            if not isinstance(one, dict):
                raise Mistake("usage: must be a list of objects with used and limit")
            given = _named(one, lambda name: _key(name, _USAGE_KEYS))
            used, limit = _number(given.get("used"), "usage.used"), _number(given.get("limit"), "usage.limit")
            if limit <= 0:
                raise Mistake("usage.limit: must be above 0")
            metric = self._text(given, "metric") if "metric" in given else ""
            period = self._text(given, "period") if "period" in given else None
            found.append(ImportedUsage(metric, used, limit, period))
        return tuple(found)

    def _id(self, row: Mapping[str, object], name: str) -> str:
        value, longest = row.get(name), self._config.limits.max_id_chars
        if _is_absent(value):
            raise Mistake(f"{name}: missing")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise Mistake(f"{name}: an id is text or an integer")
        found = str(value)
        if len(found) > longest:
            raise Mistake(f"{name}: an id of {len(found)} characters; limits.max_id_chars is {longest}")
        return found

    def _text(self, row: Mapping[str, object], name: str) -> str:
        value = row[name]
        if not isinstance(value, str):
            raise Mistake(f"{name}: must be text")
        return value.strip()[: self._config.limits.max_text_chars]

    def _past(self, value: object, name: str) -> int:
        time = self._time(value, name)
        if time > self.at:
            raise Mistake(f"{name}: {iso(time)} is after {iso(self.at)}, of which the import speaks (--at)")
        return time

    def _time(self, value: object, name: str) -> int:
        given = int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value) < 16 else value  # noqa: PLR2004  # longer is no Unix time
        time = parse_time(given.strip() if isinstance(given, str) else given, self._config.zone)
        if time is None:
            raise Mistake(f"{name}: must be a time such as 2026-03-01 or 2026-03-01T12:00:00Z, got {str(value)[:40]!r}")
        return time

    def _about_plans(self) -> Iterator[str]:
        plans = self._config.plans
        listed = {normal_name(name) for name in (*plans.free, *plans.order)}
        strange: dict[str, int] = {}
        for one in self._workspaces.values():
            plan = one.values.get("plan")
            if isinstance(plan, str) and normal_name(plan) not in listed:
                strange[plan] = strange.get(plan, 0) + 1
        for plan, count in list(strange.items())[:MOST_MISTAKES]:
            yield (
                f"plan {plan!r} ({plural(count, 'workspace')}) is neither in plans.free nor in plans.order: "
                "it counts as paid and has no rank"
            )

    def _about_gates(self) -> Iterator[str]:
        if not self._config.events.activated:
            return
        shut = sum(
            "activated_at" not in one.values and not any(user in self._activated for user in one.members)
            for one in self._workspaces.values()
        )
        if shut:
            yield f"{plural(shut, 'workspace')} without activated_at: sales hears of them once somebody there activates"


def _key(name: str, known: Mapping[str, tuple[str, ...]]) -> str:
    wanted = normal_name(name)
    for key, others in known.items():
        if wanted in (normal_name(key), *map(normal_name, others)):
            return key
    near = difflib.get_close_matches(wanted, [normal_name(key) for key in known], n=1)
    advice = next((f"; did you mean {key}?" for key in known if near and normal_name(key) == near[0]), "")
    raise Mistake(f"there is no column {name[:40]!r}{advice or '; there are ' + ', '.join(known)}")


def _named(row: Mapping[str, object], key_of: Callable[[str], str]) -> dict[str, object]:
    """What is there of a row, by the names that columns have here."""
    found: dict[str, object] = {}
    for name, value in row.items():
        if not _is_absent(value):
            key = key_of(name)
            if key in found:
                raise Mistake(f"{key} is there twice, as {name[:40]!r} too")
            found[key] = value
    return found


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(value: object, name: str) -> Number:
    found: object = value
    if isinstance(value, str):
        try:
            found = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            found = None
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= _MOST:
        raise Mistake(f"{name}: must be a number of at least 0, such as 10, got {str(value)[:40]!r}")
    return found
