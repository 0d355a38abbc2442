"""Trouble with the encoding of texts: what is left of a text that was read in the wrong one."""

from __future__ import annotations

import re

_TROUBLE = (
    ("replacement characters", re.compile("�")),
    ("UTF-8 read as Latin-1", re.compile(r"Ã[\x80-\xbf]|â€[™œ\x9d“”˜¦\x93\x94\x99]|Â[\xa0-\xbf]|ï»¿|[åæ][\x80-\xbf]")),
    ("control characters", re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")),
    ("escaped markup", re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,5});")),
)
CANDIDATE = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\ufffdÃâÂïåæ]|&(amp|lt|gt|quot|nbsp|#[0-9]+);"
"""RE2: texts without a match have no trouble; quicker than looking at each."""


def trouble(text: str) -> str | None:
    """Return the name of the first trouble that a text shows, ``None`` where it shows none."""
    return next((name for name, pattern in _TROUBLE if pattern.search(text)), None)
