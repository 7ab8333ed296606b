"""
Watches the config file, and says when it holds another config.

It looks instead of asking the kernel to be told: a small file a few times a second, which works on every file system
and for every way of saving (in place, by a rename, by the exchanged links of a mounted ConfigMap).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from streams.config_text import MAX_FILE_BYTES

log = structlog.get_logger()

# Between two looks. Who saves in place writes for a moment: a content counts once two looks have found the same.
LOOK_EVERY_S = 0.25


class Seen(NamedTuple):
    """A look at the file: its bytes, None if it cannot be read, and when it changed, Unix milliseconds."""

    content: bytes | None
    changed_at: int


def look_at(path: Path) -> Seen:
    """Look at the file now."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return Seen(None, 0)
    return Seen(content, changed_at(path))


def look_at_start(path: Path) -> Seen:
    """Look at the file, and wait while somebody is just saving it: at most two seconds."""
    seen = look_at(path)
    for _ in range(8):
        if time.time() - seen.changed_at / 1_000 > 2 * LOOK_EVERY_S:
            break
        time.sleep(LOOK_EVERY_S)
        before, seen = seen, look_at(path)
        if seen == before:
            break
    return seen


def changed_at(path: Path) -> int:
    """
    When the file that a path leads to changed last, Unix milliseconds; 0 if there is none.

    The change time and not that of the content, which `mv`, `cp -p` and `rsync -a` keep; and of the links on the way,
    since a link that leads elsewhere is a change, too.
    """
    newest, here = 0, path
    for _ in range(40):
        try:
            found = here.lstat()
            newest = max(newest, found.st_ctime_ns)
            if not here.is_symlink():
                break
            here = here.parent / os.readlink(here)  # noqa: PTH115  # Path.readlink is the same and no shorter
        except OSError:
            return 0
    return newest // 1_000_000


class ConfigWatch(threading.Thread):
    """
    Looks at a file until it is stopped, off the event path.

    Args:
        path: The file.
        start: What was seen of it when its config was read.
        on_change: Told, in this thread, each time the file has changed and stands still.
    """

    def __init__(
        self, path: Path, start: Seen, on_change: Callable[[Seen], None], every_s: float = LOOK_EVERY_S
    ) -> None:
        super().__init__(name="config-watch", daemon=True)
        self._path = path
        self._taken = self._last = start
        self._on_change = on_change
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Look once."""
        seen = look_at(self._path)
        if seen == self._last and seen != self._taken:
            self._taken = seen
            try:
                self._on_change(seen)
            except Exception as error:  # noqa: BLE001  # whatever it is: the last good config stays
                log.error("config.watch_failed", error=type(error).__name__)  # noqa: TRY400  # its text may quote the file
        self._last = seen

    def stop(self) -> None:
        """Stop looking."""
        self._stopped.set()
