"""Which row stands in a prompt: an index of the distinct texts, by content and by substring.

The substring search puts texts in classes by length: class k holds those of [2^k, 2^(k+1)) bytes under the hash of
their first 2^k bytes. A message's window hashes of one class come from the class below by doubling,
``h_2L[i] = h_L[i] * P + h_L[i + L]`` (mod 2^64), so that a search costs a few NumPy passes over the message whatever
the number of texts. Every hit is verified by comparing bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOP = 9
"""Texts of 2^9 bytes and more share a class: hashing longer prefixes would tell few more texts apart."""
_CHUNK_BYTES = 1 << 20
_BLANK = 32
"""White space is at most this byte."""
_random = np.random.default_rng(0x0F0E)
_BYTE = _random.integers(0, 2**64, 256, dtype=np.uint64)
_FACTOR = _random.integers(0, 2**64, _TOP, dtype=np.uint64) | np.uint64(1)


def _prefix_hashes(texts: Sequence[bytes], level: int) -> NDArray[np.uint64]:
    """Return the hash of the first ``2**level`` bytes of each of ``texts``, shape (len(texts),)."""
    size = 1 << level
    step = max(1, _CHUNK_BYTES // size)
    parts = []
    for start in range(0, len(texts), step):
        joined = b"".join([text[:size] for text in texts[start : start + step]])
        hashes = _BYTE[np.frombuffer(joined, np.uint8).reshape(-1, size)]
        for factor in _FACTOR[:level]:
            hashes = hashes[:, 0::2] * factor + hashes[:, 1::2]
        parts.append(hashes[:, 0])
    return np.concatenate(parts)


def _window_hashes(message: bytes, levels: int) -> list[NDArray[np.uint64]]:
    """Return for each level k the hashes of all windows of 2^k bytes, as long as windows fit into ``message``."""
    found = [_BYTE[np.frombuffer(message, np.uint8)]]
    for level in range(levels):
        size = 1 << level
        last = found[-1]
        if len(last) <= size:
            break
        found.append(last[:-size] * _FACTOR[level] + last[size:])
    return found


@dataclass(frozen=True, slots=True)
class _LengthClass:
    """Texts of one class: sorted prefix hashes, the lengths under each (descending), and a filter of hashes."""

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    present: NDArray[np.bool_]
    shift: np.uint64

    @classmethod
    def of(cls, texts: Sequence[bytes], level: int) -> _LengthClass:
        prefix = _prefix_hashes(texts, level)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        order = np.lexsort((-lengths, prefix))
        prefix, lengths = prefix[order], lengths[order]
        fresh = np.ones(len(texts), bool)
        fresh[1:] = (prefix[1:] != prefix[:-1]) | (lengths[1:] != lengths[:-1])
        prefix, lengths = prefix[fresh], lengths[fresh]
        hashes, starts = np.unique(prefix, return_index=True)
        bits = min(24, len(hashes).bit_length() + 4)
        shift = np.uint64(64 - bits)
        present = np.zeros(1 << bits, bool)
        present[(hashes >> shift).view(np.int64)] = True
        return cls(hashes, np.append(starts, len(lengths)), lengths, present, shift)

    def candidates(self, windows: NDArray[np.uint64]) -> Iterable[tuple[int, list[int]]]:
        """Yield (position, lengths, longest first) of the windows whose hash is the prefix of some text."""
        likely = np.flatnonzero(self.present[(windows >> self.shift).view(np.int64)])
        if not len(likely):
            return
        wanted = windows[likely]
        place = np.searchsorted(self.hashes, wanted)
        place[place == len(self.hashes)] = 0
        right = self.hashes[place] == wanted
        for position, group in zip(likely[right].tolist(), place[right].tolist(), strict=True):
            yield position, self.lengths[self.starts[group] : self.starts[group + 1]].tolist()

    def longest(self, message: bytes, windows: NDArray[np.uint64], known: Container[bytes]) -> bytes:
        """Return the longest of the class's texts that stands in ``message`` (the last of equals), or nothing."""
        best = b""
        for position, lengths in self.candidates(windows):
            for length in lengths:
                if length < len(best):
                    break
                piece = message[position : position + length]
                if len(piece) == length and piece in known:
                    best = piece
                    break
        return best


class RowTexts:
    """The distinct texts of a table, numbered from 0 in order of first appearance."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._classes: list[tuple[int, _LengthClass]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, texts: Iterable[bytes | None]) -> list[int]:
        """Return the number of each text, new or old; -1 for a text that is null or empty."""
        ids = self._ids
        found = [ids.setdefault(text, len(ids)) if text else -1 for text in texts]
        self._count = len(ids)
        return found

    def freeze(self) -> None:
        """Index the substrings, after the last ``add``. A text is known without its outer white space, too."""
        stripped = [
            (text.strip(), number) for text, number in self._ids.items() if text[0] <= _BLANK or text[-1] <= _BLANK
        ]
        for text, number in stripped:
            if text:
                self._ids.setdefault(text, number)
        groups: dict[int, list[bytes]] = defaultdict(list)
        for text in self._ids:
            groups[min(len(text).bit_length() - 1, _TOP)].append(text)
        self._classes = [(k, _LengthClass.of(groups[k], k)) for k in sorted(groups, reverse=True)]

    def find(self, text: bytes) -> int | None:
        """Return the number of exactly this text, or of the text without its outer white space, or ``None``."""
        found = self._ids.get(text)
        return self._ids.get(text.strip()) if found is None else found

    def longest_in(self, message: bytes) -> bytes | None:
        """Return the longest known text that is a substring of ``message``; the last one of equal length."""
        if not message or not self._classes:
            return None
        windows = _window_hashes(message, self._classes[0][0])
        for level, texts in self._classes:
            if level < len(windows) and (best := texts.longest(message, windows[level], self._ids)):
                return best
        return None
