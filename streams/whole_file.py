"""Writes a file that is there whole or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from signals.errors import PlgError


class NotWritten(PlgError):
    """A file cannot be written; the text names it and says why."""


@contextmanager
def whole_file(out: Path) -> Iterator[IO[bytes]]:
    """
    Write a partial file beside `out`, which takes its name at the end; compressed where that ends in `.gz`.

    What a link leads to is written, not the link; a device or a pipe, such as `/dev/null`, is written as it goes.

    Raises:
        NotWritten: There is no such folder, no right or no room.
    """
    is_special = out.exists() and not (out.is_file() or out.is_dir())
    target = out if is_special else out.resolve()
    partial = target if is_special else target.with_name(target.name + ".part")
    try:
        with partial.open("wb") as raw:
            if out.suffix == ".gz":
                # Without a name and a time in it: equal contents are equal files.
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
        if not is_special:
            partial.replace(target)
    except OSError as error:
        raise NotWritten(f"{out}: {error.strerror or error}") from error
    finally:
        if not is_special:
            partial.unlink(missing_ok=True)
