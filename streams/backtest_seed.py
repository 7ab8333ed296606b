"""What a backtest is told before its first event: the file of an import, as each of its configs reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from signals.config import Config
from signals.import_rows import ImportRows
from signals.imported import Imported
from signals.moments import iso, parse_time
from signals.one_pass import OnePass
from signals.units import DAY_MS
from streams.import_file import ImportRefused, file_time, read_import_file

# A bar that moves more often costs more than it tells.
_TELL_EVERY = 1_000


class SeedReport(msgspec.Struct, frozen=True):
    """What was told before the first event: how many workspaces, memberships and users, and as of when (RFC 3339)."""

    at: str
    workspaces: int
    members: int
    users: int


class Seed:
    """
    The same records as `plg import` would put into the log, for every config of a pass.

    The file is read once for all configs that read it alike; it is let go with the seed.

    Args:
        path: CSV or JSON lines, as `plg import` takes it.
        config: The config in question.
        at: The moment of which the file speaks, as an option says it; when the file was written last if blank.
        on_bytes: Told how many more bytes of the file have been read.

    `on_record` may be set to what is told now and then, while it is applied, how many of how many records are.

    Raises:
        ImportRefused: It cannot be read, something in it is wrong, or `at` is no time.
    """

    def __init__(
        self, path: Path, config: Config, at: str = "", on_bytes: Callable[[int], None] = lambda _count: None
    ) -> None:
        self.path = path
        self.on_record: Callable[[int, int], None] = lambda _done, _total: None
        self._at = at
        self._rows: dict[tuple[object, ...], ImportRows] = {}
        self.rows = self._read(config, on_bytes)
        self.moment = self.rows.at

    def plant(self, run: OnePass) -> None:
        """
        Apply it, before the events.

        Raises:
            ImportRefused: Another config takes something in it for a mistake.
        """
        run.seed(self._records)
        self._rows.clear()

    def _records(self, config: Config) -> Iterator[Imported]:
        rows = self._read(config)
        total = len(rows)
        for number, record in enumerate(rows.records(), 1):
            yield record
            if number % _TELL_EVERY == 0 or number == total:
                self.on_record(number, total)

    @property
    def report(self) -> SeedReport:
        """What was told."""
        rows = self.rows
        return SeedReport(iso(self.moment), rows.workspaces, rows.members, rows.users)

    def remarks(self, counted_from: int | None) -> Iterator[str]:
        """
        What a reader would get wrong about it.

        Args:
            counted_from: When counting begins, Unix milliseconds: the first event without another; None without one.
        """
        if counted_from is not None and counted_from < self.moment:
            days = (self.moment - counted_from) / DAY_MS
            yield (
                f"the import speaks of {minute(iso(self.moment))}, {days:.1f} days after counting begins: until then "
                "its members and activations are known too early, and a plan or seats that events tell of are no "
                "change, so no conversion of its workspaces is seen; take an export from before the history, or "
                f"--count-from {iso(self.moment)[:16]}Z"
            )

    def _read(self, config: Config, on_bytes: Callable[[int], None] = lambda _count: None) -> ImportRows:
        # All that the rows ask of a config, but for warnings.
        limits = config.limits
        key = config.time_zone, limits.max_id_chars, limits.max_text_chars, config.alerts.show_email
        if key not in self._rows:
            self._rows[key] = read_import_file(self.path, config, self._moment(config), on_bytes)
        return self._rows[key]

    def _moment(self, config: Config) -> int:
        if not self._at:
            return file_time(self.path)
        moment = parse_time(self._at, config.zone)
        if moment is None:
            raise ImportRefused(f"--import-at {self._at}: not a time; write 2026-03-01 or 2026-03-01T12:00:00Z")
        return moment


def in_bytes(path: Path, advance: Callable[[int], None]) -> Callable[[int, int], None]:
    """Let a bar over the bytes of files move on by those of an import while its records are applied, once."""
    size, shown = path.stat().st_size if path.exists() else 0, 0

    def tell(done: int, total: int) -> None:
        nonlocal shown
        reached = size * done // total
        # A second config that reads the file in another way begins anew: the bar stands until it has come as far.
        if reached > shown:
            advance(reached - shown)
            shown = reached

    return tell


def seed_line(report: SeedReport) -> str:
    """What was told, for people."""
    return (
        f"imported before the first event: {report.workspaces:,} workspaces and {report.members:,} members "
        f"({report.users:,} users), as of {minute(report.at)}"
    )


def minute(moment: str) -> str:
    """A time of RFC 3339 as `plg import` shows it."""
    return f"{moment[:10]} {moment[11:16]} UTC"
