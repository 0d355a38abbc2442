"""What the library tells whoever listens: it never prints.

An event is a small frozen value; a listener is a callable. The command line draws progress from events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows done (of ``rows`` when known), calls in flight and sent, dollars spent when known."""

    rows_done: int
    rows: int | None
    in_flight: int
    calls: int
    from_ledger: int
    failed: int
    cost: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the user should know and that stops nothing."""

    message: str


@dataclass(frozen=True, slots=True)
class CascadeNote:
    """What a cascade says of itself while it runs: ``kind`` names the step, ``values`` are its figures."""

    kind: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a certified run has spent by a moment and could promise if it stopped there.

    asked: rows whose answer was bought or known; calls, cost: of the whole run (US dollars, ``None`` when a price is
    unknown); stage: "training", "certifying", "estimating" or "done"; promise: a level for each metric that has one. An
    estimate has its ``figure`` (count, share, mean) and promises its interval: "low" and "high".
    """

    asked: int
    calls: int
    cost: float | None
    stage: str
    promise: dict[str, float]
    figure: str | None = None


Event = Progress | Warned | CascadeNote | CurvePoint
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
