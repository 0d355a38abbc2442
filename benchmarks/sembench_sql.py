"""SemBench's movie scenario as SQL: calls and F1, exact and under a guarantee. ``python benchmarks/sembench_sql.py``.

The oracle is the reviews' own label with 4% of the answers turned, the same rows each time. The exact runs are
held against the labels (F1 of rows; for counts, how far they are off), the certified ones against every row asked.
"""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from rowsight.execution.asking import Told
from rowsight.surfaces.sql import connect

POSITIVE = "AI_FILTER(PROMPT('Is the review {{0}} positive?', {0}.text))"
CLASSES = "AI_CLASSIFY(text, ['positive', 'negative'])"
KINDS = f"(SELECT *, {CLASSES} AS kind FROM reviews)"
PAIR = "SELECT a.id AS a, b.id AS b FROM {0} AS a JOIN {0} AS b ON a.movie_id = b.movie_id AND a.id < b.id WHERE {1}"
QUERIES = {
    "Q1 positive reviews": f"SELECT id FROM reviews AS r WHERE {POSITIVE.format('r')}",
    "Q2 positive reviews of one movie": f"SELECT id FROM reviews AS r WHERE movie_id = 'parasite_2019' AND {POSITIVE.format('r')}",
    "Q3 count of positive reviews": f"SELECT count(*) AS n FROM reviews AS r WHERE {POSITIVE.format('r')}",
    "Q4 share of positive reviews": f"SELECT round(avg(CASE WHEN {POSITIVE.format('r')} THEN 1 ELSE 0 END), 3) AS s FROM reviews AS r WHERE movie_id = 'parasite_2019'",
    "Q5 pairs of like opinion": PAIR.format(
        KINDS, "a.kind = b.kind AND a.movie_id = 'ant_man_and_the_wasp_quantumania'"
    ),
    "Q6 pairs of unlike opinion": PAIR.format(
        KINDS, "a.kind <> b.kind AND a.movie_id = 'ant_man_and_the_wasp_quantumania'"
    ),
    "Q7 all pairs, positive with negative": PAIR.format(KINDS, "a.kind = 'positive' AND b.kind = 'negative'"),
    "Q8 positive and negative reviews": f"SELECT {CLASSES} AS kind, count(*) AS n FROM reviews GROUP BY 1",
    "Q9 positive reviews by movie": f"SELECT movie_id, count(*) AS n FROM reviews AS r WHERE {POSITIVE.format('r')} GROUP BY 1",
    "Q10 movies by their positive reviews": f"SELECT movie_id, sum(CASE WHEN {POSITIVE.format('r')} THEN 1 ELSE 0 END) AS n FROM reviews AS r GROUP BY 1 ORDER BY 2 DESC, 1",
}
CERTIFIED = ("Q1 positive reviews",)


@dataclass
class Labels:
    """The labels as an oracle."""

    truth: dict[str, bool]
    turned: float
    calls: int = 0
    seen: set[tuple[str, ...]] = field(default_factory=set)

    async def ask(self, question, model, distinct):  # noqa: ARG002 - the oracle's contract
        self.calls += len(distinct)
        told = []
        for (text,) in distinct:
            yes = self.truth[text] != (zlib.crc32(text.encode()) % 10_000 < 10_000 * self.turned)
            told.append(Told(yes if question.operator == "filter" else ("positive" if yes else "negative"), "asked"))
        return told


def run(table, query, turned=0.04):
    """Return the rows of a query as a multiset, the calls and the result."""
    truth = dict(zip(table["text"].to_pylist(), table["is_positive"].to_pylist(), strict=True))
    oracle = Labels(truth, turned)
    result = connect(oracle=oracle, tables={"reviews": table}).sql(query)
    return Counter(result.fetchall()), oracle.calls, result


def f1(found, wanted):
    """Return the harmonic mean of precision and recall of rows."""
    common = (found & wanted).total()
    return 2 * common / (found.total() + wanted.total()) if found or wanted else 1.0


def off(found, wanted):
    """Return how far the last columns are off, as a share of what they should be; rows are named by the others."""
    ours, theirs = ({row[:-1]: float(row[-1] or 0) for row in rows} for rows in (found, wanted))
    wrong = sum(abs(ours.get(k, 0) - theirs.get(k, 0)) for k in {*ours, *theirs})
    return wrong / sum(theirs.values())


def main(path):
    """Print the table."""
    table = pq.read_table(path)
    print("| query | rows | calls | against the labels |\n|---|---|---|---|")
    for name, query in QUERIES.items():
        rows, calls, result = run(table, query)
        truth, _, _ = run(table, query, 0.0)
        counted = result.rows.column_names[-1] in ("n", "s")
        said = f"{off(rows, truth):.1%} off" if counted else f"F1 {f1(rows, truth):.3f}"
        print(f"| {name} | {rows.total():,} | {calls:,} | {said} |")
    print("\n| certified at precision and recall | calls | F1 against every row asked |\n|---|---|---|")
    for name in CERTIFIED:
        exact, calls, _ = run(table, QUERIES[name])
        for level in (0.8, 0.9):
            rows, fewer, _ = run(table, f"{QUERIES[name]} WITH GUARANTEE (precision {level}, recall {level})")
            print(f"| {name}, {level} | {fewer:,} of {calls:,} | {f1(rows, exact):.3f} |")


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "sembench_movie_reviews.parquet"
    main(sys.argv[1] if len(sys.argv) > 1 else default)
