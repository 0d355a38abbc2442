"""Figures with intervals in a query: rows are drawn from its groups, and SQL is told the totals by the groups' keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.execution.cascade.totals import Totals, Wanted, totals
from rowsight.execution.composite import OverRows, Texts, texts_digest
from rowsight.execution.driving import driven
from rowsight.guarantees.certify import attempt_share
from rowsight.plan.guarantee import Guarantee

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.queries import QueryRun
    from rowsight.plan.sql.requests import Total

Key = tuple[str | None, ...]
Interval = tuple[float, float, float]
"""The value, the least and the most it can be."""


class Totalled(OverRows):
    """The figures of one request. Rows that need no call are exact and are added to what the draws say of the others."""

    classes = None

    def __init__(self, request: Total, run: QueryRun) -> None:
        demand = dict(request.demand)
        counted = bool(demand.pop("counted", 1.0))
        calls = demand.pop("calls", None)
        self.wanted = Wanted(**demand, calls=None if calls is None else int(calls), counted=counted)
        super().__init__(request.rows, run, Guarantee(accuracy=0.5, confidence=self.wanted.confidence))
        self.total = request
        self.reached = True
        self.figures: dict[Key, dict[str, Interval]] = {}

    async def decide(self) -> None:
        """Draw until the intervals are narrow enough, and let SQL know the figures."""
        parts, outcome = self.population()
        known = np.array(outcome.column("decided").to_pylist(), dtype=bool)
        holds = np.array(outcome.column("holds").to_pylist(), dtype=np.float64)
        self.numbers = np.flatnonzero(~known)
        keys, codes = self._groups()
        weights = self._weights(codes, len(keys))
        exact = np.where(known & ~np.isnan(holds), holds, 0.0)
        value = np.stack([np.bincount(codes, w * exact, len(keys)) for w in weights]).astype(np.float64)
        found = np.stack([value, value, value])
        if len(self.numbers):
            drawn = await self._drawn(parts, weights[:, self.numbers], codes[self.numbers])
            here = np.arange(drawn.value.shape[1])
            for end, part in enumerate((drawn.value, drawn.low, drawn.high)):
                found[end][:, here] += part
            self.reached, self.rows = drawn.reached, len(self.numbers)
            self.asked_rows = int((drawn.answers != -np.inf).sum())
        rows = np.bincount(codes, np.where(known & np.isnan(holds), 0.0, 1.0), len(keys)).astype(np.float64)
        self.figures = {key: self._said(found[:, :, i], rows[i], i) for i, key in enumerate(keys)}
        self._let_sql_know()

    async def codes(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Ask about rows until each is decided; return their answers as numbers, NaN unanswered, -inf skipped."""
        found = await self.outcomes(rows, "estimate")
        missing = {"skipped": -np.inf, "failed": np.nan}
        return np.array(
            [(0.0 if holds is None else holds) if status is None else missing[status] for holds, status in found]
        )

    async def _drawn(self, parts: pa.Table, weights: NDArray[np.float64], codes: NDArray[np.int64]) -> Totals:
        subject = self.subject(texts_digest(parts))
        attempt = await self.attempt(subject, [self.total.demand, self.total.bounds])
        share = attempt_share(1 - self.wanted.confidence, attempt)
        rows = Texts(self.texts(parts), self.run.seed)
        course = totals(
            rows, weights, codes, self.wanted, bounds=self.total.bounds, share=share, seed=self.run.seed, attempt=attempt
        )  # fmt: skip
        return await driven(course, partial(self.reply, subject))

    def _groups(self) -> tuple[list[Key], NDArray[np.int64]]:
        """Return the groups' keys, and each row's group; rows that need a call have the first codes."""
        names = ", ".join(f"g{i}" for i in range(self.total.keys)) or "NULL"
        table = self.run.workspace.table(f"SELECT {names} FROM {self.request.table} ORDER BY __row")  # noqa: S608
        rows: list[Key] = [()] * table.num_rows
        if self.total.keys:
            rows = list(zip(*(c.to_pylist() for c in table.columns), strict=True))
        first = dict.fromkeys([rows[i] for i in self.numbers.tolist()])
        keys = list(dict.fromkeys([*first, *rows])) or ([] if self.total.keys else [()])
        place = {key: i for i, key in enumerate(keys)}
        return keys, np.array([place[row] for row in rows], np.int64)

    def _weights(self, codes: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
        """Return what rows weigh in each total: 1, then each measure, and for averages two more.

        These are 1 where there is a number, and the number's distance from its mean over the group's rows.
        """
        count = range(self.total.measures)
        names = ", ".join(f"e{i}" for i in count) or "NULL"
        table = self.run.workspace.table(f"SELECT {names} FROM {self.request.table} ORDER BY __row")  # noqa: S608
        numbers = [np.array(table.column(i).to_pylist(), dtype=np.float64) for i in count]
        weights = [np.ones(len(codes)), *(np.nan_to_num(n) for n in numbers)]
        self.centres: dict[int, NDArray[np.float64]] = {}
        for i in self.total.averaged:
            there = ~np.isnan(numbers[i])
            sums, rows = (np.bincount(codes[there], w, groups) for w in (numbers[i][there], None))
            self.centres[i] = sums / np.maximum(rows, 1)
            weights += [
                there.astype(np.float64),
                np.where(there, np.nan_to_num(numbers[i]) - self.centres[i][codes], 0.0),
            ]
        return np.stack(weights)

    def _said(self, found: NDArray[np.float64], rows: float, group: int) -> dict[str, Interval]:
        """Return a group's figures by name; ``found`` is (value, low, high) of each total."""
        ends: list[Interval] = [(float(v), float(low), float(high)) for v, low, high in found.T]
        said = {"count ": ends[0]}
        if rows:
            said["share "] = said["avg "] = tuple(x / rows for x in ends[0])  # type: ignore[assignment]  # three
        for i in range(self.total.measures):
            if ends[0][2] > 0:
                said[f"sum {i}"] = ends[1 + i]
        for place, i in enumerate(self.total.averaged):
            counted, distance = ends[1 + self.total.measures + 2 * place :][:2]
            if counted[2] > 0:
                said[f"avg {i}"] = _ratio(counted, distance, float(self.centres[i][group]), self._range(i))
        return said

    def _range(self, measure: int) -> tuple[float, float]:
        sql = f"SELECT min(e{measure}), max(e{measure}) FROM {self.request.table}"  # noqa: S608 - names of ours
        low, high = self.run.workspace.table(sql).to_pylist()[0].values()
        return float(low), float(high)

    def _let_sql_know(self) -> None:
        figures, places = self.figures, {"v": 0, "l": 1, "h": 2}

        def said(which: pa.Array, *keys: pa.Array) -> pa.Array:
            out: list[float | None] = []
            for row in zip(which.to_pylist(), *(k.to_pylist() for k in keys), strict=True):
                name, _, part = row[0].rpartition(" ")
                interval = figures.get(row[1:], {}).get(name)
                out.append(None if interval is None else interval[places[part]])
            return pa.array(out, pa.float64())

        self.run.workspace.function(self.total.name, said, 1 + self.total.keys, pa.float64())

    def summary(self) -> dict[str, Any]:
        """Return what the report says of it."""
        return {
            "rows": self.rows,
            "asked": self.asked_rows,
            "reached": self.reached,
            "confidence": self.wanted.confidence,
        }


def _ratio(counted: Interval, distance: Interval, centre: float, within: tuple[float, float]) -> Interval:
    """Return the average of numbers: their centre, and the mean distance from it over the rows that count.

    Whatever the count is, the mean distance has its sign and is at most ``distance / count`` for the least count.
    """
    least, most = max(counted[1], 1.0), max(counted[2], 1.0)
    low = centre + (distance[1] / least if distance[1] < 0 else distance[1] / most)
    high = centre + (distance[2] / least if distance[2] > 0 else distance[2] / most)
    low, high = max(low, within[0]), min(high, within[1])
    value = centre + distance[0] / max(counted[0], 1.0)
    return min(max(value, low), high), low, high
