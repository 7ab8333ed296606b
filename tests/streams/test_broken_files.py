"""Files that are broken on the way: every command that reads one says so in one line."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest

from signals.config import Config
from streams.import_file import ImportRefused, read_import_file
from streams.replaying import ReplayFailed, read_lines

WHOLE = gzip.compress(b"".join(b'{"workspace": "w%d", "seats": %d}\n' % (n, n * 7_919 % 1_000) for n in range(2_000)))
CUT = WHOLE[: len(WHOLE) // 2]


def flipped(error: type[Exception]) -> bytes:
    """The file with the first one of its bits turned over that makes the reader raise an error."""
    for place in range(20, len(WHOLE) - 20):
        broken = bytearray(WHOLE)
        broken[place] ^= 0x55
        try:
            gzip.decompress(broken)
        except error:
            return bytes(broken)
        except Exception:  # noqa: BLE001  # another one than that which is looked for
            continue
    raise AssertionError(error)


@pytest.fixture(params=["cut", "checksum", "data"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "file.jsonl.gz"
    made = {"cut": lambda: CUT, "checksum": lambda: flipped(gzip.BadGzipFile), "data": lambda: flipped(zlib.error)}
    path.write_bytes(made[request.param]())
    return path


def test_events(broken: Path) -> None:
    with pytest.raises(ReplayFailed, match=r"file.jsonl.gz: \w+"):
        list(read_lines([broken]))


def test_imports(broken: Path) -> None:
    with pytest.raises(ImportRefused, match=r"file.jsonl.gz: \w+"):
        read_import_file(broken, Config(), 1_772_409_600_000)
