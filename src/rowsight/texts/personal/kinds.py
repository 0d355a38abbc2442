"""The kinds of personal data that are looked for: form, check, and the words that speak for a bare number.

A form is *strong* where a chance hit is rare: its check digits and structure let pass fewer than one in 200 random
strings of that form. Digits that pass a weak check by chance (one number of nine digits in eleven is a valid BSN) count
only as ``written`` form, next to one of the ``words``, or where nearly a whole column is made of them. Checks of national
numbers, IBANs and cards are python-stdnum's, checks of phone numbers libphonenumber's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from rowsight.core.errors import MissingExtraError
from rowsight.texts.personal import phones

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Kind:
    """One kind: ``form`` finds candidates, ``check`` decides on each.

    ``written``: a form so particular that a valid candidate in it counts by itself; ``None`` where every valid one does.
    ``words``: what stands near (or in the column's name) where a bare number is meant as such. ``needs``: the optional
    package that the check takes.
    """

    name: str
    form: re.Pattern[str]
    check: Check
    written: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    needs: str | None = None
    bare: re.Pattern[str] | None = None
    """Which candidates may fill a cell as bare numbers; ``None`` means all."""
    fills: Check | None = None
    """The check of bare numbers, where it isn't ``check``."""
    cut: Callable[[str], str | None] | None = None
    """Return the part of a candidate that is meant, ``None`` where no part is valid; in place of ``check``."""


def _stdnum(module: str) -> Check:
    """Return a check of python-stdnum; its module is loaded at the first use."""

    def check(text: str) -> bool:
        return bool(_validator(module)(text))

    return check


@lru_cache
def _validator(module: str) -> Check:
    try:
        found: Check = import_module(f"stdnum.{module}").is_valid
    except ImportError as error:
        raise MissingExtraError("python-stdnum", "profile") from error
    return found


_FILES = frozenset("png jpg jpeg gif svg webp bmp pdf css js ts json html txt zip py md".split())  # noqa: SIM905 - a list to read


def _email(text: str) -> bool:
    name, _, domain = text.rpartition("@")
    return (
        domain.rpartition(".")[2].lower() not in _FILES
        and ".." not in text
        and not name.startswith(".")
        and not name.endswith(".")
        and not domain.startswith("-")
    )


def _ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


_CARDS = (
    (re.compile(r"4\d{15}(\d{3})?"), "visa"),
    (re.compile(r"(5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"), "mastercard"),
    (re.compile(r"3[47]\d{13}"), "american express"),
    (re.compile(r"3(0[0-5]|[689]\d)\d{11}"), "diners"),
    (re.compile(r"(6011|65\d\d|64[4-9]\d)\d{12}"), "discover"),
    (re.compile(r"35(2[89]|[3-8]\d)\d{12}"), "jcb"),
    (re.compile(r"62\d{14,17}"), "unionpay"),
)


def _card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    issued = any(form.fullmatch(digits) for form, _ in _CARDS)
    return issued and len(set(digits)) > 1 and _validator("luhn")(digits)


def _iban(text: str) -> str | None:
    """Return the IBAN that ``text`` begins with: words in capitals may follow it."""
    valid = _validator("iban")
    ends = [m.end() for m in re.finditer(r"[0-9A-Z](?=[ -]|$)", text)] + [len(text)]
    return next((text[:end] for end in sorted(set(ends), reverse=True) if valid(text[:end])), None)


def _resident(text: str) -> bool:
    """Check a Chinese resident's number: its date and check digit.

    python-stdnum's own check refuses a district founded after the birth, and people move before they register.
    """
    try:
        from stdnum.cn import ric  # noqa: PLC0415 - an extra that loads on use
    except ImportError as error:
        raise MissingExtraError("python-stdnum", "profile") from error
    century, check = text[6:8], ric.calc_check_digit(text)
    if century not in ("18", "19", "20") or text[-1].upper() != check:
        return False
    try:
        return bool(ric.get_birth_date(text))
    except ValueError:
        return False


def _digits(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,/+-])(?:{pattern})(?![\w/]|[.,-]\d)")


def _words(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


KINDS: tuple[Kind, ...] = (
    Kind("email", re.compile(r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w@-])"), _email),
    Kind(
        "iban",
        re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[0-9A-Z]{1,4}){3,9}(?!\w)"),
        _stdnum("iban"),
        needs="python-stdnum",
        cut=_iban,
    ),
    Kind(
        "card",
        _digits(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{4,5}|\d{14,19}"),
        _card,
        needs="python-stdnum",
    ),
    Kind(
        "ip",
        re.compile(r"(?<![\w.:-])(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)"),
        _ip,
    ),
    Kind("id-cn", _digits(r"[1-9]\d{16}[\dXx]"), _resident, needs="python-stdnum"),
    Kind(
        "id-it",
        re.compile(
            r"(?<!\w)[A-Za-z]{6}[\dLMNP-V]{2}[A-Ea-eHhLlMmPpR-Tr-t][\dLMNP-V]{2}[A-Za-z][\dLMNP-V]{3}[A-Za-z](?!\w)"
        ),
        _stdnum("it.codicefiscale"),
        needs="python-stdnum",
    ),
    Kind(
        "id-fr",
        _digits(r"[12] ?\d{2} ?[0-1]\d ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"),
        _stdnum("fr.nir"),
        needs="python-stdnum",
    ),
    Kind(
        "id-es",
        _digits(r"(?:\d{8}|\d{2}\.\d{3}\.\d{3})[ -]?[A-Za-z]"),
        _stdnum("es.dni"),
        re.compile(r"[\d.]+-?[A-Z]"),
        _words("dni", "nif", "documento"),
        "python-stdnum",
    ),
    Kind("id-es", re.compile(r"(?<!\w)[XYZ][ -]?\d{7}[ -]?[A-Z](?!\w)"), _stdnum("es.nie"), needs="python-stdnum"),
    Kind(
        "id-br",
        _digits(r"\d{3}\.\d{3}\.\d{3}-\d{2}|\d{11}"),
        _stdnum("br.cpf"),
        re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
        _words("cpf", "cadastro", "contribuinte"),
        "python-stdnum",
    ),
    Kind(
        "id-us",
        _digits(r"\d{3}([ -])\d{2}\1\d{4}|\d{9}"),
        lambda text: _validator("us.ssn")(text.replace(" ", "-")),
        re.compile(r"\d{3}-\d{2}-\d{4}"),
        _words(r"\bssn\b", r"_ssn|ssn_", "social[ _]sec", r"soc\.? sec"),
        "python-stdnum",
    ),
    Kind(
        "id-gb",
        re.compile(
            r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"
        ),
        bool,
    ),
    Kind(
        "id-in",
        _digits(r"(?<!\d )[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?! ?\d)"),
        _stdnum("in_.aadhaar"),
        re.compile(r"\d{4} \d{4} \d{4}"),
        _words("aadhaar", "aadhar", "uidai", "आधार"),
        "python-stdnum",
    ),
    Kind(
        "id-de",
        _digits(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
        _stdnum("de.idnr"),
        needs="python-stdnum",
    ),
    Kind("id-pl", _digits(r"\d{11}"), _stdnum("pl.pesel"), re.compile(r"(?!)"), _words("pesel"), "python-stdnum"),
    Kind(
        "id-nl",
        _digits(r"\d{9}|\d{4}\.\d{2}\.\d{3}"),
        _stdnum("nl.bsn"),
        re.compile(r"(?!)"),
        _words(r"\bbsn\b", "_bsn|bsn_", "burgerservice", "sofi"),
        "python-stdnum",
    ),
    Kind(
        "phone",
        phones.FORM,
        phones.valid,
        phones.WRITTEN,
        phones.WORDS,
        "phonenumbers",
        bare=phones.BARE,
        fills=phones.fills,
    ),
)
"""In this order: what one kind has taken, no later one does."""
