"""What a report says, in English and Chinese. English stands in the code; here is the Chinese of each sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from tomllib import loads
from typing import Any

LANGS = ("en", "zh")


@dataclass(frozen=True)
class Words:
    """The words of one language: ``say("{rows} rows", rows=3)``."""

    lang: str
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, lang: str) -> Words:
        """Return the words of ``en`` or ``zh``."""
        return cls(lang, {} if lang == "en" else chinese())

    def __call__(self, english: str, **values: Any) -> str:
        """Return a sentence with its values; a sentence without a translation stays English."""
        return self._known.get(english, english).format(**{k: shown(v) for k, v in values.items()})


def chinese() -> dict[str, str]:
    """Return the Chinese of every sentence."""
    return loads(resources.files(__package__).joinpath("zh.toml").read_text(encoding="utf-8"))


def shown(value: Any) -> str:
    """Return a value for people: numbers with marks of thousands."""
    if isinstance(value, bool) or value is None:
        return {True: "✓", False: "✗", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"  # noqa: PLR2004 - no exponents below a million
    return str(value)


def percent(value: float | None) -> str:
    """Return a share for people."""
    return "–" if value is None else f"{value:.1%}"
