"""The language of texts, by py3langid (naive Bayes over byte n-grams; Lui and Baldwin 2012), an optional dependency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rowsight.core.errors import MissingExtraError

UNSURE = "und"
"""ISO 639's name of a language that isn't determined."""
LEAST_LETTERS = 4
SURE, FITS = 0.6, 0.02
"""Probabilities: of a text that speaks for itself, and of a common language that a short text may still be in."""
COMMON = 0.02
"""Share of the sure texts from which a language is common in a table."""
MOST_CHARACTERS = 500
_SAME = {"wuu": "zh", "yue": "zh", "nan": "zh", "zxx": UNSURE}


def languages(texts: Iterable[str]) -> list[str]:
    """Return the ISO 639-1 code of each text's language, ``und`` where it has too few letters or two languages fit.

    A short text says little by itself. It is taken to be in one of the languages that are common among the texts that
    say more, unless none of them fits. ``MissingExtraError`` where py3langid isn't installed.
    """
    heads = [text[:MOST_CHARACTERS] for text in texts]
    first = [_identified(head) for head in heads]
    sure = Counter(code for code, probability in first if probability >= SURE)
    common = {code for code, n in sure.items() if n >= COMMON * sure.total()}
    return [_settled(head, *found, common) for head, found in zip(heads, first, strict=True)]


def shares(texts: Iterable[str], *, least: float = 0.005) -> list[tuple[str, float]]:
    """Return (language, share) of non-empty texts, the largest first; languages below ``least`` count as ``und``."""
    counts = Counter(languages(t for t in texts if t.strip()))
    total = sum(counts.values())
    kept = {code: n for code, n in counts.items() if code != UNSURE and n >= least * total}
    rest = total - sum(kept.values())
    found = sorted(kept.items(), key=lambda item: (-item[1], item[0])) + ([(UNSURE, rest)] if rest else [])
    return [(code, n / total) for code, n in found]


def _identified(head: str) -> tuple[str, float]:
    if sum(map(str.isalpha, head)) < (1 if _ideographic(head) else LEAST_LETTERS):
        return UNSURE, 0.0
    code, probability = _identifier().classify(head)
    return _SAME.get(code, str(code)), float(probability)


def _settled(head: str, code: str, probability: float, common: set[str]) -> str:
    if probability >= SURE or code in common or code == UNSURE:
        return code
    ranked = ((_SAME.get(c, str(c)), p) for c, p in _identifier().rank(head))
    return next((c for c, p in ranked if c in common and p >= FITS), UNSURE)


def _ideographic(text: str) -> bool:
    return any("一" <= c <= "鿿" or "぀" <= c <= "ヿ" or "가" <= c <= "힣" for c in text)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - an extra that loads on use
    except ImportError as error:
        raise MissingExtraError("py3langid", "profile") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)  # type: ignore[no-untyped-call]
