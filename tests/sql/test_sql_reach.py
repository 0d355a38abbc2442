"""How far a guarantee reaches, and how each column of a result stands."""

import pytest
from sql_reference import Simple
from test_sql_guarantees import ROWS, Words, kept, table

from rowsight.plan.sql.place import SqlError
from rowsight.surfaces.sql import connect

GUARANTEE = "WITH GUARANTEE (precision 0.9, recall 0.9)"
LATE, REFUND = "AI_FILTER('late?', body)", "AI_FILTER('refund?', body)"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT id FROM (SELECT * FROM t WHERE {LATE}) AS s WHERE region = 'north'",
        f"SELECT s.k FROM (SELECT id AS k, region AS r, body FROM t WHERE {LATE}) AS s WHERE s.r = 'north' AND {REFUND}",
        f"WITH s AS (SELECT id, body AS b FROM t AS x WHERE {LATE}) SELECT id FROM s",
        f"WITH s AS (SELECT id, body FROM (SELECT * FROM t WHERE {LATE}) AS y WHERE region = 'north') SELECT id FROM s",
        f"SELECT a.id FROM (SELECT id, body FROM t WHERE {LATE}) AS a JOIN (SELECT id, body FROM t WHERE {REFUND}) AS b ON a.id = b.id",
        f"SELECT id FROM t WHERE {LATE} AND region = 'north' UNION ALL SELECT id FROM t WHERE {REFUND} AND region = 'south'",
        f"SELECT id FROM (SELECT id FROM t WHERE {LATE} AND id < 2000 UNION ALL SELECT id FROM t WHERE id >= 2000) AS s",
    ],
)
def test_a_guarantee_reaches_through(query):
    exact, calls, _, _ = kept(query)
    got, fewer, result, _ = kept(f"{query} {GUARANTEE}")
    assert result.certificates
    assert all(c.certified for c in result.certificates)
    assert {s.level for s in result.standings} == {"certified"}
    assert len(got & exact) >= 0.9 * max(len(got), len(exact))
    assert fewer < calls


def test_arms_of_a_union_share_the_failure_probability():
    query = f"SELECT id FROM t WHERE {LATE} UNION ALL SELECT id FROM t WHERE {REFUND} WITH GUARANTEE (accuracy 0.9, confidence 0.9)"
    _, _, result, _ = kept(query)
    assert [c.body["confidence"] for c in result.certificates] == [0.95, 0.95]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f"SELECT id FROM t WHERE {LATE} UNION SELECT 1", "line 1, column 24: a guarantee on the set operation UNION"),
        (f"SELECT id FROM t EXCEPT SELECT id FROM t WHERE {LATE}", "write UNION ALL"),
        (f"SELECT id FROM t WHERE {LATE} UNION ALL SELECT 1 LIMIT 3", "LIMIT over certified rows"),
        (f"SELECT id FROM (SELECT * FROM t WHERE {LATE} ORDER BY id LIMIT 9) AS s", "line 1, column 39: a guarantee on an AI condition inside"),
        (f"SELECT id FROM t WHERE id IN (SELECT id FROM t WHERE {LATE})", "write the condition in the outer WHERE"),
        (f"SELECT s.id FROM t LEFT JOIN (SELECT * FROM t WHERE {LATE}) AS s USING (id)", "leave WITH GUARANTEE out"),
    ],
)  # fmt: skip
def test_where_it_does_not_reach_the_place_is_named(query, says):
    with pytest.raises(SqlError) as refused:
        kept(f"{query} {GUARANTEE}")
    assert says in str(refused.value)


def test_a_condition_over_an_exact_derived_table_is_certified():
    query = f"SELECT id FROM (SELECT region, max(id) AS id, max(body) AS body FROM t WHERE {REFUND} GROUP BY id // 4, region) AS g WHERE {LATE}"
    exact, _, _, _ = kept(query)
    got, _, result, _ = kept(f"{query} WITH GUARANTEE (accuracy 0.9)")
    assert result.standings[0].level == "certified"
    assert len(got ^ exact) <= 0.1 * ROWS


@pytest.mark.parametrize(
    ("query", "levels"),
    [
        (f"SELECT id, {LATE} AS f FROM t WHERE {REFUND}", ["asked", "asked"]),
        (f"SELECT id, {LATE} AS f FROM t WHERE {REFUND} {GUARANTEE}", ["certified", "certified"]),
        ("SELECT id, AI_FILTER('late?', body, accuracy => 0.9) AS f FROM t", ["asked", "certified"]),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body, recall => 0.9) AND id < 2500", ["certified"]),
        (f"SELECT id FROM t WHERE AI_FILTER('late?', body, recall => 0.9) AND {REFUND}", ["not certified"]),
        ("SELECT count(*) AS n FROM t WHERE AI_FILTER('late?', body, recall => 0.9)", ["not certified"]),
        ("SELECT DISTINCT region FROM t WHERE AI_FILTER('late?', body, recall => 0.9)", ["not certified"]),
        ("SELECT s.id, n.id AS m FROM (SELECT * FROM t WHERE AI_FILTER('late?', body, recall => 0.9)) AS s JOIN t AS n ON s.id = n.id",
         ["certified for table s only"] * 2),
        ("WITH s AS (SELECT * FROM t WHERE AI_FILTER('late?', body, recall => 0.9)) SELECT id FROM s WHERE region = 'north'", ["certified for table s only"]),
        (f"SELECT region, count(*) AS n FROM t WHERE {LATE} GROUP BY 1 WITH GUARANTEE (accuracy 0.9)", ["certified"] * 4),
        ("SELECT AI_COUNT_IF('late?', body) AS n FROM t", ["certified"] * 3),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body, recall => 0.9) UNION ALL SELECT 1", ["certified"]),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body, recall => 0.9) UNION SELECT 1", ["not certified"]),
    ],
)  # fmt: skip
def test_each_column_stands_for_itself(query, levels):
    con = connect(oracle=Words(), tables={"t": table()})
    result = con.sql(query)
    assert [s.level for s in result.standings] == levels
    assert [s.column for s in result.standings] == result.rows.column_names
    listed = con.sql("SELECT status, covers FROM rowsight_certificates() WHERE covers LIKE 'column %'").fetchall()
    assert listed == [(s.level, f"column {s.column}") for s in result.standings]
    explained = [row[0] for row in con.sql(f"EXPLAIN {query}").fetchall()]
    assert [line for line in explained if line.startswith("column ")] == [f"column {s}" for s in result.standings]


def test_a_query_without_ai_functions_has_nothing_to_say():
    assert connect(oracle=Simple(), tables={"t": table()}).sql("SELECT id FROM t").standings == ()
