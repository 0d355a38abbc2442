"""The code blocks of a page, and which of them are run.

A fenced block is run when the line before it is ``<!-- run -->``; a ``text`` block after ``<!-- output -->`` is what the
block before it printed, where ``...`` stands for any text of a line, and alone on a line for any lines. The block after
``<!-- serve -->`` starts the simulated model that the others ask.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"(?:^<!-- (\w+) -->\n)?^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its mark (``run``, ``output``, ``serve`` or ``None``), its language, its text."""

    mark: str | None
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a Markdown page, in order."""
    return [Block(m.group(1), m.group(2), m.group(3)) for m in _FENCE.finditer(page)]


def headings(page: str) -> list[int]:
    """Return the levels of a page's headings, in order."""
    bare = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    return [len(m.group(1)) for m in _HEADING.finditer(bare)]


def fits(expected: str, printed: str) -> bool:
    """Say whether ``printed`` is what ``expected`` says, ``...`` being a wildcard."""
    return re.fullmatch(_pattern(_lines(expected)), "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _pattern(lines: list[str]) -> str:
    return "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", r"[^\n]*") + r"\n"
        for line in lines
    )
