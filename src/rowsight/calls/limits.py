"""How fast one endpoint is asked: adaptive concurrency, requests and tokens per minute, pauses that the server demands.

Everything here is a plain state machine under an injected clock (monotonic seconds): it never sleeps and never awaits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Clock = Callable[[], float]
Signal = Literal["ok", "slow", "overload", "neutral"]
"""What a finished call says of the server's load: it bore it, it bore it but calls queue there for long, it didn't bear
it (429, 503, a timeout), or nothing."""

FIRST_LIMIT = 16
_FIRST_STEPS = 3.0
"""Slots that each call borne adds before the first rejection: the limit quadruples per round trip. Doubling takes 0.3 s longer
to 256 in flight at 200 ms, and rejects about as many calls at the end: the limit is brought back one rejection at a time."""
MINUTE = 60.0
_SAMPLE = 24
"""Calls needed at a halved limit before it is said what halving did, and calls in a row that are needed to say that
rejections stopped: at a small limit a few calls get through at any rate of rejections."""
_HALF = 0.5
"""More rejections than this are about load, or about a quota: never a base rate."""
_UNCHANGED = 0.7
"""The rate at half the limit over the rate before, from which on halving is said to have changed nothing."""
_FORGETTING = 1 / 256
_MARGIN = 1.25
"""Rejections allowed for, over those expected: chance must not look like load."""
_SHORTEST_HOLD, _LONGEST_HOLD = 1.0, 60.0
_PROBE_SHARE = 20.0
"""A failed probe that pauses the endpoint for s seconds is repeated after 20 s at the earliest: it costs at most 5%."""


class TokenBucket:
    """A rate limit: integer amounts, at most ``per_minute`` in any 60 seconds (the generic cell rate algorithm).

    The bucket holds a burst and refills so that burst and refill together stay within the limit in every window. An
    amount larger than the burst passes when the bucket is full, and the next ones wait until the debt is repaid.
    """

    __slots__ = ("_at", "_clock", "_level", "_rate", "burst")

    def __init__(self, per_minute: int, *, clock: Clock, burst_seconds: float = 1.0) -> None:
        self.burst = max(1.0, per_minute * burst_seconds / MINUTE)
        self._rate = (per_minute - self.burst + 1) / MINUTE
        self._level = self.burst
        self._clock = clock
        self._at = clock()

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._at) * self._rate)
        self._at = now

    def delay(self, amount: int) -> float:
        """Return the seconds until ``amount`` may pass; 0 when it may now."""
        self._refill()
        missing = min(amount, self.burst) - self._level
        return missing / self._rate if missing > 1e-9 else 0.0  # noqa: PLR2004 - rounding of the refill

    def take(self, amount: int) -> None:
        """Let ``amount`` pass."""
        self._refill()
        self._level -= amount

    def settle(self, taken: int, used: int) -> None:
        """Put right what an estimate took, once the true amount is known."""
        self._level = min(self.burst, self._level + taken - used)


class Concurrency:
    """The number of calls that one server bears at once, found from below and held.

    The limit quadruples per round trip (slow start) until calls are rejected, and doubles in later searches. Each
    rejection then takes one slot away, so that the limit lands on what the server does serve instead of a multiple of it;
    then it is held, and probed upwards at growing intervals, as TCP CUBIC holds its plateau. Rejections that go on at the
    same rate after the limit was halved are not about load: their rate becomes a base rate that is no longer answered,
    and growth goes on.

    ``cap`` is never exceeded; the limit never falls below 1.
    """

    __slots__ = (
        "_allowance",
        "_before",
        "_clock",
        "_counted",
        "_hold",
        "_lost",
        "_mark",
        "_met",
        "_probe_at",
        "_rejected",
        "_since",
        "_slow_start",
        "_step",
        "base",
        "cap",
        "in_flight",
        "limit",
    )

    def __init__(self, cap: int, *, clock: Clock, first: int = FIRST_LIMIT) -> None:
        self.cap = cap
        self.limit = float(min(first, cap))
        self.in_flight = 0
        self.base = 0.0
        """The share of calls that is rejected whatever the load."""
        self._met = False
        """Whether a call was rejected beyond the base rate, ever."""
        self._clock = clock
        self._restart()
        self._hold = _SHORTEST_HOLD
        self._probe_at = 0.0
        self._step = 1.0
        self._allowance = 0.0

    def _restart(self) -> None:
        self._slow_start = True
        self._mark = 0.0
        """The limit at which rejections began; 0 while there are none to explain."""
        self._since = 0
        """Calls borne since the last rejection beyond the base rate."""
        self._before, self._lost = 0, 0
        """Calls and rejections since the mark."""
        self._counted, self._rejected = 0, 0
        """Calls and rejections since the limit fell to half of the mark."""

    @property
    def room(self) -> int:
        """How many more calls may leave now."""
        return max(0, int(self.limit) - self.in_flight)

    def enter(self) -> int:
        """Count a call that leaves; return its position, to be handed back to ``leave``."""
        self.in_flight += 1
        return self.in_flight

    def leave(self, position: int, signal: Signal, pause: float = 0.0) -> bool:
        """Count a call that came back. ``pause`` is the Retry-After, in seconds, that came with a rejection.

        Return whether it was a rejection beyond the base rate: one that a pause of the whole endpoint answers.
        """
        self.in_flight -= 1
        if signal == "neutral":
            return False
        if self.base:
            self._expect(rejected=signal == "overload")
        excess = signal == "overload" and not self._allows()
        if excess:
            self._shrink(pause)
        elif signal == "slow":
            self._queues()
        elif signal == "ok":
            self._bore(position)
        if self._mark:
            self._explain(rejected=signal == "overload")
        return excess

    def _expect(self, *, rejected: bool) -> None:
        """Allow for rejections at the base rate, and follow that rate while there is nothing else to explain."""
        self._allowance = min(self._allowance + _MARGIN * self.base, self._most_allowed)
        if not self._mark:
            self.base = min(_HALF, self.base + (rejected - self.base) * _FORGETTING)

    @property
    def _most_allowed(self) -> float:
        return 2.0 + 4.0 * math.sqrt(self.limit * self.base)

    def _bore(self, position: int) -> None:
        self._since += 1
        if position * 2 < self.limit or self.limit >= self.cap:
            return
        if self._slow_start:
            self._grow(1.0 if self._met else _FIRST_STEPS)
        elif not self._mark and self._clock() >= self._probe_at and self._since >= self.limit:
            self._grow(self._step)
            self._step = min(2 * self._step, max(1.0, self.limit / 4))
            self._hold = _SHORTEST_HOLD
            self._since = 0

    def _queues(self) -> None:
        """Grow no more, and give a slot back now and then: more calls would only wait longer, up to their timeout."""
        self._since += 1
        self._slow_start = False
        self._probe_at = self._clock() + _LONGEST_HOLD
        if self._since >= self.limit:
            self._since = 0
            self.limit = max(1.0, self.limit - 1.0)

    def _grow(self, by: float) -> None:
        self.limit = min(float(self.cap), self.limit + by)

    def _allows(self) -> bool:
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _shrink(self, pause: float) -> None:
        self._since = 0
        self._met = True
        if not self._mark:
            self._mark = self.limit
            self._hold = min(_LONGEST_HOLD, max(2 * self._hold, _PROBE_SHARE * pause))
        self._slow_start = False
        self._step = 1.0
        self._probe_at = self._clock() + self._hold
        self.limit = max(1.0, self.limit - 1.0)

    def _explain(self, *, rejected: bool) -> None:
        """Say whether the rejections since the mark are about load."""
        if self._since >= max(_SAMPLE, 2 * self.limit):  # they stopped: they were
            self._forget()
            return
        self._before += 1
        self._lost += rejected
        if self.limit > 1.0 and self.limit * 2 > self._mark:
            return
        self._counted += 1
        self._rejected += rejected
        if self._counted < _SAMPLE:
            return
        if not self._about_load():
            self.base = self._lost / self._before
            self.limit = self._mark
            self._allowance = self._most_allowed
            self._restart()
            return
        self._mark = self.limit  # halve again from here
        self._before = self._lost = self._counted = self._rejected = 0

    def _about_load(self) -> bool:
        low = self._rejected / self._counted
        if self.limit <= 1.0:
            return low > _HALF
        high = (self._lost - self._rejected + 1) / (self._before - self._counted + 1)
        return min(high, low) > _HALF or low < _UNCHANGED * high

    def _forget(self) -> None:
        self._mark = 0.0
        self._since = self._before = self._lost = self._counted = self._rejected = 0
