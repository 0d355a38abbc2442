"""A profile as lines of text."""

from __future__ import annotations

from typing import Any

from rowsight.execution.profile.described import ColumnProfile, Profile

_SHOWN_TOP = 4
_WIDTH = 40


def as_lines(profile: Profile) -> list[str]:
    """Return a profile for people, a few lines a column."""
    repeated = f", {profile.repeated_rows:,} rows repeat an earlier one" if profile.repeated_rows else ""
    lines = [f"{profile.source}: {profile.rows:,} rows, {len(profile.columns)} columns{repeated}"]
    for column in profile.columns:
        lines += _column_lines(column)
    return lines + [f"Note: {note}" for note in profile.notes]


def _column_lines(c: ColumnProfile) -> list[str]:
    missing = f", {c.missing:,} missing" if c.missing else ""
    empty = f", {c.empty:,} empty" if c.empty else ""
    head = f"{c.name}  ({c.kind}, {c.type}): {c.distinct:,} distinct{missing}{empty}"
    return [head, *(f"  {line}" for line in (*_range(c), *_top(c), *_text(c), *_personal(c)))]


def _range(c: ColumnProfile) -> list[str]:
    if c.low is None:
        return []
    median = f", median {c.quantiles[2]:,.6g}" if c.quantiles else ""
    return [f"from {c.low} to {c.high}{median}"]


def _top(c: ColumnProfile) -> list[str]:
    if c.kind not in ("label", "boolean") or not c.top:
        return []
    return ["most frequent: " + ", ".join(f"{short(v)} {n:,}" for v, n in c.top[:_SHOWN_TOP])]


def _text(c: ColumnProfile) -> list[str]:
    if c.kind != "text" or c.lengths is None:
        return []
    lines = [f"{c.lengths.shortest:,} to {c.lengths.longest:,} characters, median {c.lengths.median:,.0f}"]
    if c.languages:
        lines.append("languages: " + ", ".join(f"{code} {share:.1%}" for code, share in c.languages))
    if c.repeated or (c.resembling and c.resembling.repeated):
        near = f", {c.resembling.repeated:,} nearly" if c.resembling else ""
        lines.append(f"repeat an earlier text: {c.repeated:,} exactly{near}")
    return lines + [f"{t.rows:,} rows with {t.kind}, such as row {t.examples[0]:,}" for t in c.trouble or ()]


def _personal(c: ColumnProfile) -> list[str]:
    return [
        f"personal data: {p.kind} {p.values:,} in {p.rows:,} rows, such as {p.examples[0][1]}" for p in c.personal or ()
    ]


def short(value: Any) -> str:
    """Return a value on one line, cut to be shown."""
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
