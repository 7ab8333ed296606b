"""Reads a file to be imported, CSV or JSON lines: lines to rows, and every mistake with its line."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path

import msgspec

from signals.config import Config
from signals.errors import PlgError
from signals.import_rows import ImportRows, Mistake
from signals.moments import EARLIEST_MS, iso
from streams.replaying import BROKEN_FILE, opened

# A workspace of a hundred thousand members is a line of a few megabytes.
MAX_LINE_BYTES = 16 * 1024 * 1024
_BEGINNINGS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
}
_DELIMITERS = ",;\t"

OnBytes = Callable[[int], None]


class ImportRefused(PlgError):
    """The file cannot be imported: every mistake with its line, up to a limit."""


def file_time(path: Path) -> int:
    """
    When a file was written last, Unix milliseconds: the moment of which an export speaks, if nobody says another.

    Raises:
        ImportRefused: It is not there, or its time is none.
    """
    try:
        written = min(path.stat().st_mtime_ns, time.time_ns()) // 1_000_000
    except OSError as error:
        raise ImportRefused(f"{path}: {error.strerror or error}") from error
    if written < EARLIEST_MS:
        # Out of an archive or an image that keeps no times.
        raise ImportRefused(f"{path}: says it was written at {iso(written)}; say with --at of which moment it speaks")
    return written


def read_import_file(path: Path, config: Config, at: int, on_bytes: OnBytes = lambda _count: None) -> ImportRows:
    """
    Read and check a file of CSV or JSON lines, plain or gzip.

    Args:
        at: The moment of which it speaks, Unix milliseconds.
        on_bytes: Told how many more bytes of the file have been read.

    Returns:
        Its rows, without a mistake; `records` of them is what to send, or what `Backtest.feed_import` takes.

    Raises:
        ImportRefused: It cannot be read, or something in it is wrong; all of it is told.
    """
    rows = ImportRows(config, at)
    try:
        with path.open("rb") as raw:
            lines = _lines(raw, rows, on_bytes)
            first = next(((number, line) for number, line in lines if line.strip()), None)
            if first is not None:
                _read(first, lines, rows)
    except BROKEN_FILE as error:
        raise ImportRefused(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if rows.mistakes:
        more = rows.mistakes_found - len(rows.mistakes)
        listed = "\n".join(f"{path}: {mistake}" for mistake in rows.mistakes)
        rest = f"and {more:,} more mistakes; " if more else ""
        raise ImportRefused(f"{listed}\n{rest}nothing was sent")
    if not len(rows):
        raise ImportRefused(f"{path}: no workspace is in it")
    return rows


def _lines(raw: BufferedReader, rows: ImportRows, on_bytes: OnBytes) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, as text; what is no text is a mistake."""
    begin = raw.peek(4)
    for mark, name in _BEGINNINGS.items():
        if begin.startswith(mark):
            rows.refuse(1, f"{name}; save it as CSV in UTF-8")
            return
    file = opened(raw)
    # Of a pipe nobody knows where it is.
    place = raw.tell if raw.seekable() else lambda: 0
    number = consumed = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number % 1_000 == 0:
            on_bytes(place() - consumed)
            consumed = place()
        if len(line) > MAX_LINE_BYTES:
            rows.refuse(number, f"longer than {MAX_LINE_BYTES // 1024 // 1024} MB; give each member a row of his own")
            return
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            rows.refuse(number, f"no UTF-8 (byte {error.start} of the line); save the file in UTF-8")
    on_bytes(place() - consumed)


def _read(first: tuple[int, str], lines: Iterator[tuple[int, str]], rows: ImportRows) -> None:
    start = first[1].lstrip()
    if start.startswith("["):
        rows.refuse(first[0], "a JSON array; one object a line is expected, as `jq -c '.[]'` writes it")
    elif start.startswith("{"):
        _read_json(first, lines, rows)
    else:
        _read_csv(first, lines, rows)


def _read_json(first: tuple[int, str], lines: Iterator[tuple[int, str]], rows: ImportRows) -> None:
    decode = msgspec.json.Decoder(dict[str, object]).decode
    number, line = first
    while True:
        if line.strip():
            try:
                row = decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
                # The text of a parser may quote the line.
                kind = "too deep" if isinstance(error, RecursionError) else "no JSON object"
                rows.refuse(number, f'{kind}; each line is one object, {{"workspace": ...}}')
            else:
                rows.add(number, row)
        following = next(lines, None)
        if following is None:
            return
        number, line = following


def _read_csv(first: tuple[int, str], lines: Iterator[tuple[int, str]], rows: ImportRows) -> None:
    number = first[0]

    def texts() -> Iterator[str]:
        nonlocal number
        yield first[1]
        for at, line in lines:
            number = at
            yield line

    delimiter = max(_DELIMITERS, key=first[1].count)
    reader = csv.reader(texts(), delimiter=delimiter, skipinitialspace=True, strict=True)
    # A cell may be as long as its line; what csv has by itself is too short for ten thousand members.
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        columns = rows.columns([name.strip() for name in next(reader)])
    except (csv.Error, Mistake) as error:
        rows.refuse(number, _described(error, number, number))
        return
    while True:
        begins = number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            rows.refuse(begins, _described(error, begins, number))
            continue
        if row is None:
            return
        _add_row(begins, row, columns, rows)


def _described(error: csv.Error | Mistake, begins: int, ends: int) -> str:
    """What is wrong with the lines of a row, for who has the file open and not csv's source."""
    if isinstance(error, Mistake):
        return str(error)
    if "unexpected end of data" in str(error):
        return f"no CSV: a quote that is opened in this row is not closed to the end of the file, line {ends}"
    if "new-line character" in str(error):
        return "no CSV: lines end with a bare carriage return; save the file with the line ends of Unix or Windows"
    return f"no CSV: {error}{f' (line {ends})' if ends != begins else ''}"


def _add_row(line: int, row: Sequence[str], columns: Sequence[str], rows: ImportRows) -> None:
    if not any(value.strip() for value in row):
        return
    if len(row) > len(columns):
        problem = f"{len(row)} values for {len(columns)} columns; a text with the delimiter in it needs quotes"
        rows.refuse(line, problem)
    else:
        rows.add(line, dict(zip(columns, (value.strip() for value in row), strict=False)))
