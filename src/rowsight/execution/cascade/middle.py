"""A cheaper model between proxy and oracle: what it said is evidence that a proxy learns to read.

A certificate's proof holds for any proxy that is frozen before the first draw, so the middle model's answers may be used
like any other feature of a row. They cost money, so they are bought only for rows of which the proxy is in doubt, and only
after a pilot: some labelled rows (how right is it?) and some doubtful ones (what would it settle?) are asked, the plan with
its answers is priced against the plan without, and the middle model is adopted where it saves enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse

from rowsight.execution.cascade.protocol import AskMiddle, Dry, Prices

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Decision, Request, Steps

PILOT = 400
"""Doubtful rows of which a pilot asks the middle model."""
PILOT_LABELLED = 1_000
"""Labelled rows of which a pilot asks it, at most."""
PILOT_SHARE = 0.05
"""A pilot may cost this share of what the plan without the middle model still costs."""
HARD = 5.0
"""A pilot is made only where the plan still costs this multiple of the rows asked: elsewhere words soon say enough."""
SAVES = 0.9
"""The middle model is adopted where the plan with it costs at most this share of the plan without."""
FEWEST, FIRST_SHARE, ENOUGH = 100, 0.05, 400
"""Labels before a pilot: this share of the rows, within these bounds."""
PER_CLASS = 20
"""Labels for each class before a pilot: of classes it has hardly seen, a proxy can't tell what the middle model's word is worth."""
WIDER = 2.5
"""The widest window of doubtful rows that may be bought, as a multiple of those that the plan would ask."""
WINDOWS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the widest window that are tried."""
WEIGHT = 2.0
"""How large the middle model's answer stands among a row's features, which have unit length together."""
PIECE = 16_384
"""Rows scored at once."""
STEPS = 24
"""Steps to which answers of a score are rounded, as features."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pilot found: costs still to come in calls of the oracle, with the middle model and without, its own included.

    ``window``: how much of the widest window is bought; ``price``: of one of its calls, in calls of the oracle.
    """

    tried: int
    price: float
    without: float
    cost: float
    window: float
    agreed: float | None

    @property
    def adopted(self) -> bool:
        """Whether the middle model saves enough."""
        return self.cost <= SAVES * self.without

    def plain(self, asked: int) -> dict[str, Any]:
        """Return the verdict as a summary holds it; ``asked``: rows of which the middle model was asked by now."""
        return {
            "adopted": self.adopted,
            "tried": self.tried,
            "asked": asked,
            "price": float(f"{self.price:.4g}"),
            "without": round(self.without),
            "with": round(self.cost),
            "window": round(self.window, 4),
            "agreed": None if self.agreed is None else round(self.agreed, 4),
        }


class Middle:
    """The middle model in a cascade: its answers by row, bought as they are wanted, and what its calls cost."""

    def __init__(self, count: int, classes: int | None, seed: int) -> None:
        self.classes = classes
        self.said = np.full(count, np.nan)
        """Answers, coded; NaN where there is none."""
        self.logprob = np.full(count, np.nan, dtype=np.float32)
        self.asked = np.zeros(count, dtype=bool)
        self.random = np.random.default_rng([seed, 5])
        self.price = np.inf
        """Of one call, in calls of the oracle."""
        self.verdict: Verdict | None = None

    @property
    def has(self) -> NDArray[np.bool_]:
        """Rows that the middle model answered."""
        return np.asarray(~np.isnan(self.said))

    def buy(self, rows: NDArray[np.integer[Any]]) -> Steps:
        """Ask the middle model about the rows that it wasn't asked about yet."""
        new = rows[~self.asked[rows]]
        if len(new):
            replies = yield AskMiddle(new)
            assert replies is not None
            came = replies[:, 0] != -np.inf
            self.said[new[came]], self.logprob[new[came]] = replies[came, 0], replies[came, 1]
            self.asked[new[came]] = True
            if not came.all():
                raise Dry

    def measure(self) -> Steps:
        """Look up what a call costs by now."""
        prices = yield Prices()
        assert prices is not None
        self.price = float(prices[1] / prices[0]) if prices[0] > 0 else np.inf

    def try_on(
        self, sample: NDArray[np.int64], doubtful: NDArray[np.int64], labelled: NDArray[np.int64], cost: float
    ) -> Generator[Request, NDArray[Any] | None, tuple[NDArray[np.int64], NDArray[np.int64]] | None]:
        """Make a pilot, where it can pay; return the places in the sample that were asked about, of each kind."""
        yield from self.measure()
        drawn = self.pilot(doubtful, labelled, cost)
        if drawn is not None:
            yield from self.buy(sample[np.concatenate(drawn)])
            yield from self.measure()
            self.settle()
        return drawn

    def judge(self, right: NDArray[np.bool_], without: float, cost: float, window: float) -> Verdict:
        """Say what the pilot found; ``right``: which of its answers about labelled rows are the oracle's."""
        share = float(right.mean()) if len(right) else None
        self.verdict = Verdict(int(self.asked.sum()), self.price, without, cost, window, share)
        return self.verdict

    def due(self, asked: int, count: int, cost: float) -> bool:
        """Whether rows enough were asked for a pilot, none was made, and the plan still costs many times as much."""
        enough = asked >= max(np.clip(FIRST_SHARE * count, FEWEST, ENOUGH), PER_CLASS * (self.classes or 0))
        return bool(self.verdict is None and enough and cost >= HARD * asked)

    def pilot(
        self, doubtful: NDArray[np.int64], labelled: NDArray[np.int64], cost: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Draw the doubtful rows of a pilot, and take the first labelled ones; ``None`` where that is too dear to pay."""
        some, known = min(PILOT, len(doubtful)), labelled[:PILOT_LABELLED]
        if not some or self.price * (some + len(known)) > PILOT_SHARE * cost:
            return None
        return np.sort(self.random.choice(doubtful, some, replace=False)), known

    def settle(self) -> None:
        """Fix how answers become features, by those of the pilot."""
        sure = self._certainty()[np.isfinite(self.logprob)]
        self._centre, self._spread = (float(sure.mean()), float(sure.std()) or 1.0) if len(sure) else (0.0, 1.0)
        if self.classes is None:
            given = self.said[self.has]
            steps = np.linspace(0, 1, STEPS)
            self._values = np.unique(np.quantile(given, steps, method="nearest")) if len(given) else np.zeros(1)

    def beside(self, features: Any, rows: NDArray[np.integer[Any]]) -> Any:
        """Return the features of ``rows`` with the middle model's answers beside them.

        One column a class holds the answer, and one how sure the model was of it, beside the other rows; a row without an
        answer has zeros.
        """
        has = np.flatnonzero(self.has[rows])
        codes, width = self._codes(rows[has])
        certainty = self._certainty()[rows[has]] if len(has) else np.empty(0)
        sure = np.nan_to_num(np.clip((certainty - self._centre) / self._spread, -2.0, 2.0))
        data = WEIGHT * np.concatenate([np.ones(len(has)), sure]).astype(np.float32)
        places = np.concatenate([has, has]), np.concatenate([codes, codes + width])
        evidence = csr_matrix((data, places), shape=(len(rows), 2 * width), dtype=np.float32)
        if issparse(features):
            return csr_matrix(hstack([csr_matrix(features), evidence], format="csr"))  # type: ignore[call-overload]  # takes sparse matrices
        return np.hstack([features, evidence.toarray()])

    def _codes(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], int]:
        """Return the classes of answers, and how many there are."""
        said = self.said[rows]
        if self.classes is None:
            return np.abs(said[:, None] - self._values).argmin(axis=1), len(self._values)
        return np.minimum(said.astype(np.int64), self.classes - 1), self.classes

    def _certainty(self) -> NDArray[np.float64]:
        """Return the log-odds of the answers that a log-probability came with."""
        chance = np.clip(np.exp(self.logprob.astype(np.float64)), 1e-4, 1 - 1e-4)
        return np.asarray(np.log(chance / (1 - chance)))

    def credited(self, decision: Decision, helped: NDArray[np.bool_]) -> Decision:
        """Return a decision that says what the middle model did; ``helped``: rows that its answers were used for."""
        proxied = ~decision.asked & (decision.answers >= 0 if self.classes else np.isfinite(decision.answers))
        found: dict[str, Any] = {"adopted": False, "tried": 0, "asked": 0} if self.verdict is None else {}
        if self.verdict is not None:
            found = self.verdict.plain(int(self.asked.sum()))
        used = helped & proxied
        summary = {**decision.summary, "middle": {**found, "helped": int(used.sum())}}
        return replace(decision, summary=summary, helped=used)
