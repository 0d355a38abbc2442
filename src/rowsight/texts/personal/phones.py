"""Phone numbers: libphonenumber decides whether a number can be one; its form says whether it is meant as one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from rowsight.core.errors import MissingExtraError

FORM = re.compile(r"(?<![\w.,/:#+-])(?<!\d )(?:(?:\+|00)[1-9]|\(?\d)(?:[ ()./-]{0,3}\d){6,14}(?![\w/]|[.,:-]\d| ?\d)")
WRITTEN = re.compile(
    r"(?:\+|00)[1-9][\d ()./-]+"  # with the country's code
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}"  # as North America writes them
    r"|\(?0(?=\d*[ /()-])(?:[ /()-]*\d){9,11}"  # trunk prefix, then groups
)
WORDS = re.compile(
    r"\b(?:tel|phone|telephone|mobile|cell|call|whatsapp|sms|fax|t[ée]l[ée]phone|telefon\w*|tel[ée]fono|handy|m[óo]vil|"
    r"portable|cellulare|celular|komórk\w*|numer)|phone|_tel\b|电话|手机|致电|电話|拨打|फ़ोन",
    re.IGNORECASE,
)
BARE = re.compile(r"(?:0[1-9]|1[3-9]|[2-9])\d{8,9}|0[1-9]\d{9}")
"""Digits alone that may be a column's phone numbers: with a trunk prefix, a Chinese mobile, or ten as in North America."""
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "CN", "IN", "BR")
_DATE = re.compile(
    r"(?:19|20)\d\d([./-])\d{1,2}\1\d{1,2}.*|\d{1,2}([./-])\d{1,2}\2(?:19|20)\d\d.*|(?:\d{1,3}\.){3}\d{1,3}"
)
_SHORTEST = 8
"""Digits of the shortest national number that counts: shorter ones are local ones without an area."""


def valid(text: str) -> bool:
    """Say whether ``text`` is a phone number of its country, or of one of the big ones where it names no country."""
    if _DATE.fullmatch(text) or len(re.sub(r"\D", "", text)) < _SHORTEST:
        return False
    if text.startswith(("+", "00")):
        return _is_valid("+" + text.lstrip("+0"), None)
    return any(_is_valid(text, region) for region in _REGIONS)


def fills(text: str) -> bool:
    """Say whether digits that fill a cell are one of the forms of ``BARE`` that few other numbers have."""
    if text.startswith("0"):
        return valid(text)
    return _is_valid(text, "CN" if text.startswith("1") else "US")


def _is_valid(text: str, region: str | None) -> bool:
    library = _library()
    try:
        return bool(library.is_valid_number(library.parse(text, region)))
    except library.NumberParseException:
        return False


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        import phonenumbers  # noqa: PLC0415 - an extra that loads on use
    except ImportError as error:
        raise MissingExtraError("phonenumbers", "profile") from error
    return phonenumbers
