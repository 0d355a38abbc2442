"""A circuit breaker: an endpoint that fails again and again is left alone for a while, then probed with one call."""

from __future__ import annotations

import math
from typing import Literal

from rowsight.calls.limits import Clock

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Closed: calls pass. Open: none do, for a time that doubles with each failed probe. Half-open: one probe is out.

    ``threshold`` failures in a row open it; one good probe closes it. A ticket ties a result to the state in which its
    call left, so that calls that were in flight when it opened neither lengthen the outage nor end it.
    """

    __slots__ = ("_clock", "_failures", "_longest", "_open_for", "_shortest", "_until", "state", "threshold", "ticket")

    def __init__(self, *, clock: Clock, threshold: int = 8, shortest: float = 0.5, longest: float = 15.0) -> None:
        self.state: State = "closed"
        self.threshold = threshold
        self.ticket = 0
        self._clock = clock
        self._failures = 0
        self._shortest, self._longest = shortest, longest
        self._open_for = shortest
        self._until = 0.0

    def ready_in(self) -> float:
        """Return the seconds until a call may pass: 0 now, infinity while a probe is out."""
        if self.state == "closed":
            return 0.0
        if self.state == "half-open":
            return math.inf
        return max(0.0, self._until - self._clock())

    def enter(self) -> int:
        """Let a call pass, which is the probe where the breaker was open; return its ticket for ``record``."""
        if self.state == "open":
            self._turn("half-open")
        return self.ticket

    def record(self, ticket: int, *, good: bool | None) -> None:
        """Count a call's end; ``None`` is one that says nothing about the endpoint (cancelled)."""
        if ticket != self.ticket or self.state == "open":
            return
        if self.state == "half-open":
            self._judge_probe(good=good)
        elif good is not None:
            self._failures = 0 if good else self._failures + 1
            if self._failures >= self.threshold:
                self._open(self._shortest)

    def _judge_probe(self, *, good: bool | None) -> None:
        if good is None:
            self._open(0.0)
        elif good:
            self._failures = 0
            self._open_for = self._shortest
            self._turn("closed")
        else:
            self._open(min(self._longest, 2 * self._open_for))

    def _open(self, seconds: float) -> None:
        self._open_for = seconds or self._open_for
        self._until = self._clock() + seconds
        self._turn("open")

    def _turn(self, state: State) -> None:
        self.state = state
        self.ticket += 1
