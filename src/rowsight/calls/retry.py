"""Which failures are worth another attempt, how long to wait before it, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rowsight.calls.request import FailureReason

WORTH_RETRYING: frozenset[FailureReason] = frozenset({"timeout", "rate_limited", "server_error", "connection"})
"""The same request may well succeed later. A refused, filtered, too long or invalid one would end the same way."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a row's question is tried.

    attempts: most requests for one question. deadline: seconds from the first request, after which no attempt starts.
    base, longest: the wait before attempt k + 1 is uniform on (0, min(longest, base 2^(k-1))), which is "full jitter"
    (Brooker, Exponential Backoff And Jitter, 2015); a Retry-After replaces it, and adds a little jitter on top.
    """

    attempts: int = 6
    deadline: float = 600.0
    base: float = 0.25
    longest: float = 20.0

    def delay(self, attempt: int, random: Random, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed attempt number ``attempt`` (1 is the first)."""
        bound = min(self.longest, self.base * 2.0 ** min(attempt - 1, 30))
        if retry_after is not None:
            return retry_after + random.random() * min(bound, self.base)
        return random.random() * bound

    def again(self, reason: FailureReason, attempt: int, elapsed: float, delay: float) -> bool:
        """Return whether to try once more after ``delay`` seconds, ``elapsed`` seconds from the first request."""
        return reason in WORTH_RETRYING and attempt < self.attempts and elapsed + delay < self.deadline
