"""Generated certified queries against exhaustive evaluation: ``python benchmarks/fuzz_sql_certified.py [queries] [seed]``.

Each query mixes AI and ordinary conditions in its WHERE, some of them through a derived table or in two arms of a UNION ALL,
and demands precision and recall, or accuracy, at confidence .9 of a table whose answers are partly noise; every third asks
for counts, sums and averages instead. A miss is a certified result that breaks its promise on the rows that it speaks of, or
a set of intervals of which one doesn't hold what an exact query finds. Misses are held against the binomial bound at d = .1.
"""

from __future__ import annotations

import random
import sys
import time
import zlib

import pyarrow as pa
from scipy.stats import binom

from rowsight.execution.asking import Told
from rowsight.surfaces.sql import connect

_TEXT = "late refund parcel angry thanks money lost invoice hello again number courier box north"
WORDS = _TEXT.split()
QUESTIONS = {"late?": "late", "refund?": "refund", "angry?": "angry"}
D = 0.1


class Noisy:
    """Answers by a word of the text; a share of the texts, always the same, is answered the other way."""

    def __init__(self, noise):
        self.noise, self.asked = noise, 0

    async def ask(self, question, model, distinct):  # noqa: ARG002 - the oracle's contract
        self.asked += len(distinct)
        word = next(w for q, w in QUESTIONS.items() if q in question.template.source)
        turned = (zlib.crc32(f"{word}{row[0]}".encode()) % 1000 < 1000 * self.noise for row in distinct)
        return [Told((word in row[0]) != turn, "asked") for row, turn in zip(distinct, turned, strict=True)]


def table(draw):
    """Return a table of texts of a few words, some of them repeated."""
    rows = draw.choice([300, 800, 1500])
    texts = [" ".join(draw.choices(WORDS, k=draw.randrange(2, 7))) for _ in range(rows)]
    texts = [draw.choice(texts) if draw.random() < 0.1 else text for text in texts]
    return pa.table({"id": range(rows), "body": texts, "m": [draw.randrange(4) for _ in range(rows)]})


def condition(draw, depth=2):
    """Return a mix of AI and ordinary conditions."""
    kind = draw.random()
    if depth == 0 or kind < 0.35:
        return f"AI_FILTER('{draw.choice(list(QUESTIONS))}', body)"
    if kind < 0.5:
        return f"m {draw.choice(['=', '<>', '<'])} {draw.randrange(1, 4)}"
    if kind < 0.6:
        return f"NOT ({condition(draw, depth - 1)})"
    return f"({condition(draw, depth - 1)} {draw.choice(['AND', 'OR'])} {condition(draw, depth - 1)})"


def one(seed):
    """Return (certified, missed, calls, calls of asking every row that matters)."""
    draw = random.Random(seed)
    rows, noise = table(draw), draw.choice([0, 0.02, 0.1])
    where = f"AI_FILTER('late?', body) {draw.choice(['AND', 'OR'])} {condition(draw)}"
    source = draw.choice(["t", "t", "(SELECT * FROM t WHERE AI_FILTER('refund?', body)) AS t", "UNION"])
    level = draw.choice([0.7, 0.8, 0.9])
    demand = draw.choice([f"precision {level}, recall {level}", f"accuracy {level}"])
    exactly, fewer = Noisy(noise), Noisy(noise)
    query = f"SELECT id FROM {source} WHERE {where}"
    if source == "UNION":
        query = f"SELECT id FROM t WHERE ({where}) AND m < 2 UNION ALL SELECT id FROM t WHERE ({condition(draw)}) AND m >= 2"
    exact = ids(connect(oracle=exactly, tables={"t": rows}).sql(query))
    result = connect(oracle=fewer, tables={"t": rows}, seed=seed).sql(
        f"{query} WITH GUARANTEE ({demand}, confidence {1 - D})"
    )
    got = ids(result)
    certified = bool(result.certificates) and all(c.certified for c in result.certificates)
    return certified, certified and broken(got, exact, level, demand, rows.num_rows), fewer.asked, exactly.asked


def counted(seed):
    """Return (whether there are intervals, whether one of them missed, calls, calls of asking every row that matters)."""
    draw = random.Random(seed)
    rows, noise = table(draw), draw.choice([0, 0.02, 0.1])
    where = f"AI_FILTER('late?', body) {draw.choice(['AND', 'OR'])} {condition(draw)}"
    demand = draw.choice(["precision 0.8, recall 0.8", "accuracy 0.9", "within 0.08", "calls 150"])
    by = draw.choice(["", " GROUP BY m % 2"])
    keys = "m % 2 AS g, " if by else ""
    query = f"SELECT {keys}count(*) AS n, sum(id) AS s, avg(id - 300) AS a FROM t WHERE {where}{by}"
    exactly, fewer = Noisy(noise), Noisy(noise)
    exact = connect(oracle=exactly, tables={"t": rows}).sql(query).rows.to_pylist()
    got = connect(oracle=fewer, tables={"t": rows}, seed=seed).sql(
        f"{query} WITH GUARANTEE ({demand}, confidence {1 - D})"
    )
    found = {row.get("g"): row for row in got.rows.to_pylist()}
    missed = any(outside(found.get(row.get("g")), row) for row in exact)
    return True, missed, fewer.asked, exactly.asked


def outside(found, true):
    """Say whether a figure of a group is outside its interval, or its group isn't there."""
    if found is None:
        return true["n"] > 0
    ends = ((found[f"{name}_low"], true[name], found[f"{name}_high"]) for name in ("n", "s", "a"))
    return any(
        value is not None and not (low is not None and low - 1e-6 <= value <= high + 1e-6) for low, value, high in ends
    )


def ids(result):
    """Return the ids of a result."""
    return {row[0] for row in result.fetchall()}


def broken(got, exact, level, demand, rows):
    """Say whether the result breaks the promise over the whole table, which holds where it does over its undecided rows."""
    if demand.startswith("accuracy"):
        return len(got ^ exact) > (1 - level) * rows
    hits = len(got & exact)
    return hits < level * len(got) or hits < level * len(exact)


def main(queries, first):
    """Print certificates, misses, the bound and the calls; return the number of misses past the bound."""
    certified = missed = calls = naive = 0
    started = time.process_time()
    for seed in range(first, first + queries):
        yes, broke, fewer, every = counted(seed) if seed % 3 == 2 else one(seed)
        certified, missed, calls, naive = certified + yes, missed + broke, calls + fewer, naive + every
    most = int(binom.ppf(0.999, certified, D)) if certified else 0
    seconds = time.process_time() - started
    print(
        f"{queries:,} queries, {certified:,} certificates, {missed:,} misses (at d = {D} up to {most:,} are expected 999 times "
        f"of 1,000); {calls:,} calls where asking every row that matters takes {naive:,}; {seconds:.0f} s CPU"
    )
    return missed > most


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:3]]
    sys.exit(main(*(numbers + [1000, 0][len(numbers) :])))
