"""One zone under certification: rows that the proxy answers alike, and the draws that bound how many are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.guarantees.certificate import pool_key
from rowsight.guarantees.certify import ErrorBound, Prior, labels_needed, scaled_prior
from rowsight.guarantees.draw import Draw, draw_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_BATCH = 512
SMALLEST_BATCH = 16


INFORMED, STRENGTH = 0.5, 30.0
"""Weight and strength of the prior's part that believes the plan."""


def _prior(population: int, budget: int, share: float) -> Prior:
    """Return the general mixture, half of it moved to the planned share of errors: right plans need fewer draws."""
    general = scaled_prior(population, budget)
    mean = min(max(share, 0.5 / max(population, 1)), 0.9)
    weights = (INFORMED, *((1 - INFORMED) * w for w in general.weights))
    return Prior(weights, (STRENGTH, *general.a), (STRENGTH / mean - STRENGTH, *general.b))


class ZoneTrial:
    """Draws rows of one zone until the errors left in it are proved few enough.

    ``name`` is unique in the run; ``code``: the zone's code in the certificate's strata; ``members``: row positions,
    ascending; ``answer``: what the proxy says of all of them (0 or 1); ``budget`` scales the test's prior; ``level`` is
    the failure probability spent; ``share`` is the planned share of errors, which only guides how much is drawn at once.
    """

    def __init__(
        self,
        name: str,
        code: int,
        members: NDArray[np.integer[Any]],
        answer: int,
        budget: int,
        level: float,
        share: float,
    ) -> None:
        self.name, self.code, self.members, self.answer, self.level = name, code, members, answer, level
        self.bound = ErrorBound(len(members), max(budget, 0), level, _prior(len(members), max(budget, 0), share))
        self.mended = 0
        self.places = np.empty(0, dtype=np.int64)
        self._share, self._trust = share, 2.0 * len(members) / (max(budget, 0) + 1)
        self._draw: Draw | None = None
        self.patience = (
            float(labels_needed(len(members), max(budget, 0), min(share, 1.0), level)) if len(members) else 0.0
        )
        """Draws after which planning anew is thought of."""

    def start(self, seed: int, attempt: int, count: int) -> None:
        """Fix the order of the draws by what is frozen: the seed, the attempt, the zone's rows among ``count``."""
        mask = np.zeros(count, dtype=np.uint16)
        mask[self.members] = self.code
        self.key = pool_key(mask, self._pool(), [self._test()])
        self._draw = Draw(draw_key(seed, attempt, self.key, self.name), len(self.members))

    @property
    def drawn(self) -> int:
        """Rows drawn so far."""
        return self.bound.drawn

    @property
    def left(self) -> int:
        """Rows that were not drawn."""
        return len(self.members) - self.bound.drawn

    @property
    def remaining(self) -> int:
        """At most so many rows of the zone are wrong and not mended."""
        return self.bound.upper - self.mended

    def take(self, count: int) -> NDArray[np.int64]:
        """Return the next places in ``members`` to ask."""
        assert self._draw is not None
        return self._draw.take(count)

    def observe(self, places: NDArray[np.int64], answers: NDArray[np.int64]) -> None:
        """Take answers in the order of the draw; a row without an answer is wrong and is never mended."""
        wrong = answers != self.answer
        self.bound.observe(wrong)
        self.places = np.concatenate([self.places, places])
        self.mended += int(np.sum(wrong & (answers >= 0)))

    @property
    def rate(self) -> float:
        """Share of errors, between the plan's and the sample's."""
        return (self.bound.errors + self._trust * self._share) / max(self.bound.drawn + self._trust, 1e-9)

    def further(self, budget: int) -> float:
        """Guess the draws still needed until at most ``budget`` errors remain."""
        if self.remaining <= budget or not self.left:
            return 0.0
        unmended = self.bound.errors - self.mended
        needed = float(labels_needed(len(self.members), budget - unmended, min(self.rate, 1.0), self.level))
        return float(min(max(needed - self.drawn, 0.03 * needed, SMALLEST_BATCH), self.left))

    def batch(self, budget: int) -> int:
        """How many rows to ask at once: a third of what seems needed, within bounds."""
        return int(min(np.clip(self.further(budget) / 3, SMALLEST_BATCH, LARGEST_BATCH), self.left))

    def frozen(self, pool: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Describe the pool and its test before any draw."""
        return {**self._pool(), "key": self.key}, {"pool": pool, **self._test()}

    def _pool(self) -> dict[str, Any]:
        """Describe the rows drawn from; the proxy says the same of all of them."""
        size = len(self.members)
        return {"name": self.name, "codes": [self.code], "size": size, "proxies_sha256": f"all {self.answer}"}

    def _test(self) -> dict[str, Any]:
        prior = self.bound.prior
        mixture = {"weights": list(prior.weights), "a": list(prior.a), "b": list(prior.b)}
        return {"codes": [self.code], "size": len(self.members), "level": self.level, "prior": mixture}
