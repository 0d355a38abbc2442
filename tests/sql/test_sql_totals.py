"""Counts, sums, shares and averages with intervals, in SQL."""

import zlib

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom
from sql_reference import Simple

from rowsight.core.errors import InputError
from rowsight.execution.asking import Told
from rowsight.plan.sql.place import SqlError
from rowsight.surfaces.sql import connect

WORDS = ["parcel late again", "all is fine", "refund my money", "late refund of a parcel", "thank you all"]


class Words(Simple):
    """Answers by words, with noise that no proxy can learn; scores are the length of the text."""

    def value(self, question, row):
        if question.operator == "score":
            return min(10.0, len(row[0]) / 5)
        word = "late" if "late" in question.template.source else "refund"
        return (word in row[0]) != (zlib.crc32(row[0].encode()) % 20 == 0)

    async def ask(self, question, model, distinct):
        told = await super().ask(question, model, distinct)
        return [Told(self.value(question, row), "asked") for _, row in zip(told, distinct, strict=True)]


def table(rows=1200, seed=0):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 5, (rows, 2))
    texts = [f"{WORDS[a]} {WORDS[b]} number {i}" for i, (a, b) in enumerate(words.tolist())]
    regions = rng.choice(["north", "south", None], rows, p=[0.6, 0.3, 0.1]).tolist()
    amount = np.round(np.exp(rng.normal(2, 1, rows)), 2)
    columns = {"id": range(rows), "body": texts, "region": regions, "m": rng.integers(0, 4, rows), "amount": amount}
    columns["paid"] = [None if i % 7 == 0 else float(x) - 10 for i, x in enumerate(amount)]
    return pa.table(columns)


def ran(query, rows=None, **options):
    oracle = Words()
    result = connect(oracle=oracle, tables={"t": table() if rows is None else rows}, **options).sql(query)
    return result.rows.to_pylist(), len(oracle.asked)


FIGURES = "count(*) AS n, sum(amount) AS s, avg(paid) AS a, count(paid) AS c"
WHERE = "FROM t WHERE ((AI_FILTER('late?', body) AND m > 0) OR AI_FILTER('refund?', body))"


def covered(got, exact, key, names):
    """Say whether every interval of every group holds what an exact query finds; a group left out holds nothing."""
    wanted = {row.get(key): row for row in exact}
    for row in got:
        for name in names:
            true = wanted.get(row.get(key), {}).get(name)
            low, value, high = row[f"{name}_low"], row[name], row[f"{name}_high"]
            assert low is None or low <= value <= high
            if true is not None and (low is None or not low - 1e-6 <= true <= high + 1e-6):
                return False
    return {row.get(key) for row in exact} <= {row.get(key) for row in got}


@pytest.mark.parametrize("by", ["", " GROUP BY 1"])
def test_intervals_hold_all_at_once(by):
    runs, misses, asked = 5, 0, 0
    keys = "region, " if by else ""
    for seed in range(runs):
        rows = table(500, seed)
        exact, every = ran(f"SELECT {keys}{FIGURES} {WHERE}{by}", rows)
        got, fewer = ran(
            f"SELECT {keys}{FIGURES} {WHERE}{by} WITH GUARANTEE (within 0.06, confidence 0.8)", rows, seed=seed
        )
        misses, asked = misses + (not covered(got, exact, "region", ["n", "s", "a", "c"])), asked + fewer / every
    assert misses <= binom.ppf(0.999, runs, 0.2)
    assert asked / runs < 0.95


def test_precision_and_recall_bound_a_count_as_certified_rows_would():
    (row,), calls = ran(f"SELECT count(*) AS n {WHERE} WITH GUARANTEE (precision 0.85, recall 0.8)")
    assert 0.85 * row["n"] <= row["n_low"] <= row["n"] <= row["n_high"] <= row["n"] / 0.8
    assert calls < 1000


def test_bounds_stand_behind_their_figure_and_follow_arithmetic():
    query = f"SELECT region AS r, round(-2 * avg(amount), 1) AS a, 7 AS seven, count(*) {WHERE} GROUP BY 1 ORDER BY 3 DESC, r WITH GUARANTEE (calls 300)"
    rows, calls = ran(query)
    names = ["r", "a", "a_low", "a_high", "seven", "count_star()", "count_star()_low", "count_star()_high"]
    assert list(rows[0]) == names
    assert all(row["a_low"] <= row["a"] <= row["a_high"] for row in rows)
    assert calls <= 2 * 300


def test_a_group_that_holds_nothing_for_sure_is_not_there():
    rows, _ = ran(
        "SELECT m, count(*) AS n FROM t WHERE AI_FILTER('late?', body) AND m < 2 GROUP BY 1 WITH GUARANTEE (calls 200)"
    )
    assert {row["m"] for row in rows} == {0, 1}
    nothing, _ = ran(
        "SELECT count(*) AS n, sum(m) AS s FROM t WHERE AI_FILTER('late?', body) AND id < 0 WITH GUARANTEE (calls 9)"
    )
    assert nothing == [{"n": 0, "n_low": 0, "n_high": 0, "s": None, "s_low": None, "s_high": None}]


def test_all_rows_asked_is_exact():
    exact, _ = ran(f"SELECT region, {FIGURES} {WHERE} AND id < 80 GROUP BY 1 ORDER BY 1")
    got, _ = ran(f"SELECT region, {FIGURES} {WHERE} AND id < 80 GROUP BY 1 ORDER BY 1 WITH GUARANTEE (accuracy 0.999)")
    for row, wanted in zip(got, exact, strict=True):
        assert (row["n_low"], row["n"], row["n_high"]) == (wanted["n"],) * 3
        assert row["s_low"] == row["s_high"] == pytest.approx(wanted["s"])
        assert row["a_low"] == pytest.approx(wanted["a"])


def test_ai_aggregates_in_any_group():
    query = (
        "SELECT region, AI_COUNT_IF(PROMPT('late? {0}', body), within => 0.1) AS n, AI_SHARE('late?', body, within => 0.1) AS s, "
        "AI_AVG('How long is it?', body, within => 0.5) AS l, count(*) AS rows FROM t GROUP BY 1 ORDER BY n DESC"
    )
    rows, _ = ran(query)
    exact, _ = ran(
        "SELECT region, count(*) FILTER (WHERE AI_FILTER('late?', body)) AS n, avg(AI.SCORE(('How long is it? ', body))) AS l, count(*) AS rows FROM t GROUP BY 1"
    )
    wanted = {row["region"]: row for row in exact}
    for row in rows:
        true = wanted[row["region"]]
        assert row["rows"] == true["rows"]
        assert row["n_low"] <= true["n"] <= row["n_high"] <= row["n_low"] + 0.2 * row["rows"] + 1
        assert row["s_low"] <= true["n"] / true["rows"] <= row["s_high"]
        assert row["l_low"] <= true["l"] <= row["l_high"] <= row["l_low"] + 1 + 1e-6
    assert [row["n"] for row in rows] == sorted((row["n"] for row in rows), reverse=True)


def test_ai_aggregates_of_conditions_of_filtered_rows_and_in_a_derived_table():
    query = (
        "SELECT n / 2 AS half, n_high - n_low AS width FROM (SELECT AI_COUNT_IF(AI_FILTER('late?', body) AND m > 1, calls => 150) AS n "
        "FROM t WHERE AI_FILTER('refund?', body)) AS x WHERE n > 1"
    )
    rows, _ = ran(query)
    assert rows[0]["half"] > 10
    assert rows[0]["width"] > 0
    (row,), calls = ran("SELECT AI_COUNT_IF('late?', body) AS n FROM t")
    assert row["n_high"] - row["n_low"] <= 2 * 0.05 * 1200 + 1
    assert calls < 1200


def test_the_same_query_gives_the_same_figures():
    query = f"SELECT region, count(*) AS n, avg(amount) AS a {WHERE} GROUP BY 1 ORDER BY 1 WITH GUARANTEE (calls 250)"
    assert ran(query, seed=3) == ran(query, seed=3)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT AI_COUNT_IF('late?', body, within => 0.1, calls => 9) FROM t", "line 1, column 8: AI_COUNT_IF takes within"),
        ("SELECT AI_COUNT_IF('late?', body, recal => 0.9) FROM t", "takes no 'recal'"),
        ("SELECT AI_SHARE('late?', body, within => -1) FROM t", "above 0"),
        ("SELECT AI_AVG('long?', body, confidence => 2) FROM t", "between 0 and 1"),
        ("SELECT id FROM t WHERE AI_COUNT_IF('late?', body) > 3", "line 1, column 24: AI_COUNT_IF in WHERE"),
        ("SELECT sum(AI_COUNT_IF('late?', body)) FROM t", "in an aggregate"),
        ("SELECT AI_COUNT_IF('late?', body) OVER () FROM t", "a window"),
        ("SELECT region, AI_COUNT_IF('late?', body) FROM t GROUP BY CUBE (region)", "plain groups"),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body) WITH GUARANTEE (within 0.1)", "within says how narrow a count is"),
        ("SELECT id, AI_COUNT_IF('late?', body) FROM t GROUP BY id", "too many"),
    ],
)  # fmt: skip
def test_what_has_no_interval_says_so(query, says):
    with pytest.raises(InputError) as refused:
        ran(query, table(2100) if says == "too many" else None)
    assert says in str(refused.value)
    assert isinstance(refused.value, SqlError) or "too many" in says or "0" in says
