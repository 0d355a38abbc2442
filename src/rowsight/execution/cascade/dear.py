"""Say what a certificate will cost where it saves little: small tables, rare positives, a proxy that can't tell."""

from __future__ import annotations

from typing import Any

DEAR = 0.8
"""A certificate that asks this share of the rows saves little."""
SETTLED = 300
"""Labels before which a plan says too little of the cost."""


def expected_calls(plan: dict[str, Any]) -> int:
    """Return how many rows a plan expects to ask in all: those asked, those that certify, those left to ask."""
    return int(plan["asked"] + plan["certifying"] + plan["rest"])


def dear(plan: dict[str, Any], rows: int) -> str | None:
    """Return what the plan of a table of so many rows will cost and why, where that is nearly all of it."""
    expected = min(expected_calls(plan), rows)
    if plan["asked"] < min(SETTLED, rows // 4) or expected < DEAR * rows:
        return None
    return (
        f"a certificate saves little here: about {expected:,} of {rows:,} rows must be asked, since the table is too small, "
        "too few rows are positive, or the proxy can't tell the answers apart; a lower level or confidence asks fewer"
    )
