"""Token counts, the prefix cache, and what ``/stats`` says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_BLOCK = 256
"""Characters in a block of the prefix cache: 64 tokens."""
_MOST_BLOCKS = 1 << 16
_BYTES_PER_TOKEN = 4


def tokens(text: str) -> int:
    """Return the tokens of ``text``: a quarter of its UTF-8 bytes, rounded up, at least one."""
    return max(1, -(-len(text.encode()) // _BYTES_PER_TOKEN))


class PrefixCache:
    """Remembers which prefixes were seen, in blocks of 64 tokens, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}

    def cached_tokens(self, prompt: str) -> int:
        """Return the tokens of the longest prefix of ``prompt`` seen before, in whole blocks; remember all of it."""
        seen, key, hits, hitting = self._seen, 0, 0, True
        for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
            key = hash((key, prompt[start : start + _BLOCK]))
            if key in seen:
                del seen[key]
                hits += hitting
            else:
                hitting = False
            seen[key] = None
        while len(seen) > _MOST_BLOCKS:
            del seen[next(iter(seen))]
        return hits * (_BLOCK // _BYTES_PER_TOKEN)


@dataclass
class Stats:
    """Counts since the start or the last reset; ``requests`` counts chat completions alone, whatever came of them.

    ``repeated_prompts`` counts those whose model and messages were asked before, ``repaid_prompts`` those that were
    already answered; ``faults`` what was done to calls on purpose; ``rejected`` requests that a real server would
    refuse, too; ``unmatched`` those in which no row stood, or whose form the truth can't take; ``wrong`` answers bent
    by noise; ``abandoned`` calls whose client went away first.
    """

    requests: int = 0
    answered: int = 0
    wrong: int = 0
    unmatched: int = 0
    rejected: int = 0
    abandoned: int = 0
    repeated_prompts: int = 0
    repaid_prompts: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    embeddings: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON takes them."""
        return {**vars(self), "faults": dict(self.faults)}

    def enter(self) -> None:
        """Count a call in."""
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
