"""States that nobody uses, compressed in memory: by dictionaries made of the worker's own (docs/adr/0019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import zstandard

from signals.errors import BrokenLog
from signals.shard import SEAL_BYTES

# No msgpack begins with this byte, so no state does.
_MARK = 0xC1
_BODY = SEAL_BYTES + 2
# What is shorter would become longer.
_WORTH_BYTES = SEAL_BYTES + 64
# So many states make a dictionary, in 20 to 60 ms; four times as many make it better by a hundredth.
SAMPLES = 1_000
_DICTIONARY_BYTES = 16_384
# What the first states are like is not what they are like later: a young user has done little. The next dictionary is
# made when so many times as many states have been packed; the earlier ones stay for what was packed with them.
AGAIN = 16
# Users take 3.3 us at level 1 and 5.2 at level 3, which saves another hundredth.
_LEVEL = 1

Coder = Callable[[bytes], bytes]


class Packer:
    """
    Packs sealed states of one kind; each packed one can be unpacked by the same packer only.

    The first states make its dictionary and stay as they are. `at` and `due` at the head of a state stay readable.
    """

    def __init__(self) -> None:
        # By the number that stands behind the mark.
        self._decompress: list[Coder] = []
        self._compress: Coder | None = None
        self._mark = b""
        self._packed, self._again_at = 0, 0
        # What the next dictionary is to be made of, while it is being collected.
        self._samples: list[bytes] | None = []

    def pack(self, sealed: bytes) -> bytes:
        """
        Make a sealed state smaller, where it is worth it.

        Raises:
            BrokenLog: The bytes are no stored state.
        """
        if len(sealed) > SEAL_BYTES and sealed[SEAL_BYTES] == _MARK:
            raise BrokenLog(
                f"{len(sealed)} bytes of a changelog are no stored state: were they written by a newer version?"
            )
        if len(sealed) < _WORTH_BYTES:
            return sealed
        body = sealed[SEAL_BYTES:]
        if self._samples is not None:
            self._samples.append(body)
            if len(self._samples) >= SAMPLES:
                self._make_dictionary(self._samples)
                self._samples = None
        if self._compress is None:
            return sealed
        self._packed += 1
        if self._packed == self._again_at:
            self._samples = []
        packed = sealed[:SEAL_BYTES] + self._mark + self._compress(body)
        return packed if len(packed) < len(sealed) else sealed

    def unpack(self, kept: bytes) -> bytes:
        """What was given to `pack`."""
        if len(kept) < _BODY or kept[SEAL_BYTES] != _MARK:
            return kept
        return kept[:SEAL_BYTES] + self._decompress[kept[SEAL_BYTES + 1]](kept[_BODY:])

    def _make_dictionary(self, samples: Sequence[bytes]) -> None:
        dictionary = _dictionary_of(samples)
        dictionary.precompute_compress(level=_LEVEL)
        # Neither number nor checksum: the mark tells the dictionary, and what is in memory does not spoil.
        compressor = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=dictionary, write_dict_id=False, write_checksum=False
        )
        self._mark = bytes([_MARK, len(self._decompress)])
        self._decompress.append(zstandard.ZstdDecompressor(dict_data=dictionary).decompress)
        self._compress = compressor.compress
        self._again_at = AGAIN * max(self._packed, SAMPLES)


def _dictionary_of(samples: Sequence[bytes]) -> zstandard.ZstdCompressionDict:
    try:
        return zstandard.train_dictionary(_DICTIONARY_BYTES, list(samples))
    except zstandard.ZstdError:
        # They are all alike, and there is nothing to find out: the last of them say what it takes.
        text = b"".join(samples)[-_DICTIONARY_BYTES:]
        return zstandard.ZstdCompressionDict(text, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
