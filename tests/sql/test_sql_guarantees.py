"""A WHERE under a guarantee: one predicate, few calls, a certificate that holds."""

import zlib

import pyarrow as pa
import pytest
from sql_reference import Simple

from rowsight.execution.asking import Told
from rowsight.plan.sql.place import SqlError
from rowsight.surfaces.sql import connect

ROWS = 3000
WORDS = ["parcel late again", "all is fine", "refund my money", "late refund of a parcel", "thank you all"]


class Words(Simple):
    """Answers by words, with noise that no proxy can learn."""

    async def ask(self, question, model, distinct):
        told = await super().ask(question, model, distinct)
        word = "late" if "late" in question.template.source else "refund"
        return [
            Told((word in row[0]) != (zlib.crc32(row[0].encode()) % 50 == 0), "asked")
            for _, row in zip(told, distinct, strict=True)
        ]


def table():
    texts = [f"{WORDS[i % 5]} {WORDS[i // 7 % 5]} number {i % 2500}" for i in range(ROWS)]
    return pa.table({"id": range(ROWS), "body": texts, "region": [("north", "south")[i % 2] for i in range(ROWS)]})


def kept(query, **options):
    oracle = Words()
    con = connect(oracle=oracle, tables={"t": table()}, **options)
    result = con.sql(query)
    return {row[0] for row in result.fetchall()}, len(oracle.asked), result, con


MIX = "SELECT id FROM t WHERE (AI_FILTER('late?', body) AND region = 'north') OR AI_FILTER('refund?', body)"


@pytest.mark.parametrize(
    "where", [MIX, "SELECT id FROM t WHERE AI_FILTER('late?', body) AND AI_FILTER('refund?', body) AND id < 2800"]
)
def test_a_where_is_certified_as_one_predicate(where):
    exact, calls, _, _ = kept(where)
    got, fewer, result, con = kept(f"{where} WITH GUARANTEE (precision 0.9, recall 0.9)")
    assert fewer < calls
    assert len(got & exact) >= 0.9 * len(got)
    assert len(got & exact) >= 0.9 * len(exact)
    assert [c.certified for c in result.certificates] == [True]
    listed = con.sql("SELECT status, covers FROM rowsight_certificates() WHERE status = 'certified'").fetchall()
    assert listed == [("certified", "the rows that come out"), ("certified", "column id")]


def test_accuracy_of_a_where_over_a_join():
    query = "SELECT t.id FROM t JOIN t AS u ON u.id = t.id + 1 WHERE AI_FILTER('late?', t.body) AND NOT AI_FILTER('refund?', u.body)"
    exact, calls, _, _ = kept(query)
    got, fewer, result, _ = kept(f"{query} WITH GUARANTEE (accuracy 0.9)")
    assert fewer < calls
    assert len(got ^ exact) <= 0.1 * ROWS
    assert result.report.asks[-1].proxied > 0


def test_one_call_under_a_guarantee_of_its_own():
    query = "SELECT id FROM t WHERE AI_FILTER('late?', body{})"
    exact, calls, _, _ = kept(query.format(""))
    got, fewer, result, _ = kept(query.format(", accuracy => 0.9"))
    assert fewer < calls
    assert len(got ^ exact) <= 0.1 * ROWS
    assert len(result.certificates) == 1


def test_a_connection_demands_it_where_it_can():
    _, fewer, result, con = kept("SELECT id FROM t WHERE AI_FILTER('late?', body)", accuracy=0.9)
    assert fewer < 2500
    assert result.certificates
    assert con.sql("SELECT count(*) FROM t WHERE AI_FILTER('refund?', body)").certificates == []


def test_rows_that_ordinary_conditions_decide_are_exact():
    got, calls, _, _ = kept("SELECT id FROM t WHERE AI_FILTER('late?', body) OR id >= 5 WITH GUARANTEE (accuracy 0.9)")
    assert got >= set(range(5, ROWS))
    assert calls <= 5


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT max(id) FROM t WHERE AI_FILTER('late?', body)", "no interval"),
        ("SELECT count(DISTINCT id) FROM t WHERE AI_FILTER('late?', body)", "no interval"),
        ("SELECT sum(id) FILTER (WHERE id > 3) FROM t WHERE AI_FILTER('late?', body)", "no interval"),
        ("SELECT region, count(*) FROM t WHERE AI_FILTER('late?', body) GROUP BY ROLLUP (1)", "plain groups"),
        (
            "SELECT region, count(*) FROM t WHERE AI_FILTER('late?', body) GROUP BY 1 HAVING count(*) > 9",
            "not certified",
        ),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM t WHERE AI_FILTER('late?', body)", "not certified"),
        ("SELECT DISTINCT region FROM t WHERE AI_FILTER('late?', body)", "not certified"),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body) LIMIT 5", "not certified"),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body) UNION SELECT 1", "set operation"),
        ("SELECT id, AI_FILTER('late?', body) FROM t", "there is none"),
        ("SELECT id FROM t WHERE AI_FILTER('late?', body, recall => 0.9)", "of its own"),
    ],
)
def test_what_cannot_carry_a_guarantee_says_so(query, says):
    with pytest.raises(SqlError, match=says):
        kept(f"{query} WITH GUARANTEE (precision 0.9)")


@pytest.mark.parametrize("levels", ["precison 0.9", "precision", "precision 1.5", "accuracy 0.9, recall 0.9", ""])
def test_levels_that_make_no_sense(levels):
    from rowsight.core.errors import InputError

    with pytest.raises(InputError):
        kept(f"SELECT id FROM t WHERE AI_FILTER('late?', body) WITH GUARANTEE ({levels})")


def test_the_same_query_gives_the_same_certificate():
    query = f"{MIX} WITH GUARANTEE (accuracy 0.9)"
    first, second = kept(query), kept(query)
    assert first[0] == second[0]
    assert first[2].certificates[0].body["digest"] == second[2].certificates[0].body["digest"]
