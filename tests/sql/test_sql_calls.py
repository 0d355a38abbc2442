"""Few calls: what a query asks, stage by stage."""

import pyarrow as pa
import pytest
from sql_reference import Simple
from sql_tables import notes, tickets

from rowsight.execution.asking import Told
from rowsight.surfaces.sql import connect


@pytest.fixture
def oracle():
    return Simple()


@pytest.fixture
def con(oracle):
    return connect(oracle=oracle, tables={"tickets": tickets(), "notes": notes()})


def asked(oracle):
    """Return the arguments that were asked, question by question."""
    return [row for _, _, row in oracle.asked]


def distinct(con, condition):
    sql = f"SELECT count(DISTINCT body) FROM tickets WHERE {condition}"
    return con.sql(sql).fetchall()[0][0]


def test_ordinary_conditions_come_first_wherever_they_stand(con, oracle):
    con.sql("SELECT id FROM tickets WHERE AI_FILTER('late?', body) AND region = 'north'")
    assert len(oracle.asked) == distinct(con, "region = 'north'")


@pytest.mark.parametrize(
    ("expression", "condition"),
    [
        ("region = 'north' AND AI_FILTER('late?', body)", "region = 'north'"),
        ("AI_FILTER('late?', body) OR region = 'north'", "region <> 'north'"),
        ("CASE WHEN region = 'north' THEN AI_FILTER('late?', body) END", "region = 'north'"),
        ("CASE region WHEN 'north' THEN NULL ELSE AI_FILTER('late?', body) END", "region <> 'north'"),
        ("if(region = 'north', AI_FILTER('late?', body), NULL)", "region = 'north'"),
        ("coalesce(topic, AI_COMPLETE('m', 'Which topic? ' || body))", "topic IS NULL"),
        ("NOT (region = 'north' AND AI_FILTER('late?', body))", "region = 'north'"),
    ],
)
def test_guards_keep_decided_rows_from_being_asked(con, oracle, expression, condition):
    con.sql(f"SELECT {expression} AS x FROM tickets")
    assert len(oracle.asked) == distinct(con, condition)


def test_filter_of_an_aggregate_guards_its_argument(con, oracle):
    con.sql("SELECT sum(AI.SCORE(('angry? ', body))) FILTER (WHERE region = 'north') FROM tickets")
    assert len(oracle.asked) == distinct(con, "region = 'north'")


def test_the_second_condition_is_asked_about_survivors_only(con, oracle):
    result = con.sql("SELECT id FROM tickets WHERE AI_FILTER('late?', body) AND AI_FILTER('angry?', body)")
    first, second = result.stages
    assert second.asked < first.asked == distinct(con, "true")


def test_the_same_call_written_twice_is_one(con, oracle):
    con.sql(
        "SELECT AI_CLASSIFY(body, ['a', 'b']) AS k, count(*) FROM tickets WHERE AI_CLASSIFY(tickets.body, ['a', 'b']) IN ('a', 'b') GROUP BY 1 ORDER BY k"
    )
    assert len(oracle.asked) == distinct(con, "true")


def test_a_join_asks_about_each_side_once(con, oracle):
    con.sql(
        "SELECT id FROM tickets JOIN notes ON id % 4 = ticket % 4 AND AI_FILTER('late?', body) AND AI_FILTER('kind?', note)"
    )
    assert len(oracle.asked) <= distinct(con, "true") + 5


LATE = "(SELECT * FROM tickets WHERE AI_FILTER('late?', body)) AS s"
PARTNERS = "id IN (SELECT ticket FROM notes)"


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        (f"SELECT s.id FROM {LATE} JOIN notes AS n ON s.id = n.ticket", PARTNERS),
        (f"SELECT s.id FROM notes AS n, {LATE} WHERE n.ticket = s.id", PARTNERS),
        (f"SELECT s.id FROM {LATE} JOIN notes AS n ON s.id = n.ticket AND n.note = 'note 1'", "id IN (SELECT ticket FROM notes WHERE note = 'note 1')"),
        (f"SELECT s.id FROM {LATE} JOIN (SELECT *, ticket AS id FROM notes) AS n USING (id)", PARTNERS),
        (f"WITH n AS (SELECT * FROM notes) SELECT s.id FROM {LATE} JOIN n ON s.id = n.ticket", PARTNERS),
        ("WITH s AS (SELECT * FROM tickets WHERE AI_FILTER('late?', body)), n AS (SELECT * FROM notes) SELECT s.id FROM s JOIN n ON s.id = n.ticket", "true"),
        (f"SELECT s.id FROM {LATE} LEFT JOIN notes AS n ON s.id = n.ticket", "true"),
        (f"SELECT s.id FROM {LATE} JOIN (SELECT * FROM notes LIMIT 3) AS n ON s.id = n.ticket", "true"),
        ("WITH s AS (SELECT id AS k, body FROM tickets WHERE AI_FILTER('late?', body)) SELECT s.k FROM s JOIN notes ON s.k = notes.ticket", PARTNERS),
    ],
)  # fmt: skip
def test_below_a_join_only_rows_with_a_partner_are_asked(con, oracle, query, condition):
    con.sql(query)
    assert len(oracle.asked) == distinct(con, condition)


def test_both_sides_of_a_join_are_asked_about_partners_only(con, oracle):
    kind = "(SELECT ticket, note FROM notes WHERE AI_FILTER('kind?', note) AND ticket < 9) AS n"
    con.sql(f"SELECT s.id FROM {LATE} JOIN {kind} ON s.id = n.ticket")
    late = [row for question, _, row in oracle.asked if "late" in question.template.source]
    assert len(late) == distinct(con, f"{PARTNERS} AND id < 9")


def test_a_limit_stops_the_asking(con, oracle):
    result = con.sql("SELECT id FROM tickets WHERE AI_FILTER('late?', body) LIMIT 2")
    assert len(result) == 2
    assert len(oracle.asked) < distinct(con, "true") / 2


def test_outputs_are_asked_about_the_rows_that_come_out(con, oracle):
    assert len(con.sql("SELECT AI_COMPLETE('m', 'Reply to ' || body) FROM tickets LIMIT 3")) == 3
    assert len(oracle.asked) <= 3
    con.sql("SELECT AI_COMPLETE('m', 'Answer ' || body) AS a FROM tickets ORDER BY id DESC LIMIT 3")
    assert len(oracle.asked) <= 6


def test_conditions_outside_a_derived_table_count_inside(con, oracle):
    con.sql(
        "SELECT count(*) FROM (SELECT *, AI_CLASSIFY(body, ['a', 'b']) AS k FROM tickets) AS x WHERE x.region = 'north' AND k = 'a'"
    )
    assert len(oracle.asked) == distinct(con, "region = 'north'")


def test_columns_that_nobody_reads_are_not_asked(con, oracle):
    con.sql("WITH x AS (SELECT id, AI_CLASSIFY(body, ['a', 'b']) AS k FROM tickets) SELECT count(id) FROM x")
    assert not oracle.asked


def test_null_and_empty_are_no_calls(oracle):
    con = connect(oracle=oracle, tables={"t": pa.table({"a": ["", None, ""], "b": ["", "x", "y"]})})
    assert con.sql("SELECT AI_FILTER('q', a) AS f FROM t").fetchall() == [(None,)] * 3
    assert not oracle.asked
    con.sql("SELECT AI_FILTER(PROMPT('{0} {1}?', a, b)) FROM t")
    assert asked(oracle) == [("", "y")]


def test_cheap_and_selective_conditions_come_first():
    class Rare(Simple):
        async def ask(self, question, model, distinct):
            told = await super().ask(question, model, distinct)
            rare = "rare" in question.template.source
            return [
                Told(not int(row[0].split()[0]) % (50 if rare else 2), "asked")
                for _, row in zip(told, distinct, strict=True)
            ]

    oracle = Rare()
    con = connect(oracle=oracle, tables={"t": pa.table({"x": [f"{i} word" for i in range(2000)]})})
    result = con.sql("SELECT count(*) FROM t WHERE AI_FILTER('common?', x) AND AI_FILTER('rare?', x)")
    assert result.fetchall() == [(40,)]
    assert len(oracle.asked) <= 2000 + 40 + 50


def test_explain_asks_nothing_and_analyze_shows_what_was_asked(con, oracle):
    query = "SELECT id FROM tickets WHERE AI_FILTER('late?', body) AND region = 'north'"
    planned = con.sql(f"EXPLAIN {query}").fetchall()
    assert not oracle.asked
    done = con.sql(f"EXPLAIN ANALYZE {query}").fetchall()
    wanted = distinct(con, "region = 'north'")
    assert f"about {wanted} distinct tuples" in planned[0][0]
    assert f"asked {wanted} distinct tuples" in done[0][0]
    assert planned[0][0].startswith("1. WHERE: filter 'late? {body}'")


@pytest.mark.parametrize(
    ("query", "place", "remedy"),
    [
        ("SELECT id FROM tickets t\nWHERE EXISTS (SELECT 1 FROM notes n WHERE n.ticket = t.id AND AI_FILTER('q', n.note))", "line 2, column 63", "join"),
        ("SELECT id FROM tickets LEFT JOIN notes ON id = ticket AND AI_FILTER('q', note)", "line 1, column 59", "filter that side first"),
        ("SELECT id FROM tickets WHERE random() < .5 AND AI_FILTER('q', body)", "line 1, column 48", "derived table"),
        ("SELECT list_transform([body], x -> AI_COMPLETE('m', x)) FROM tickets", "line 1, column 36", "unnest"),
        ("SELECT AI_FLITER('q', body) FROM tickets", "line 1, column 8", "did you mean 'ai_filter'"),
        ("SELECT AI_FILTER('q', body, recal => .9) FROM tickets", "line 1, column 8", "did you mean 'recall'"),
        ("SELECT AI_FILTER('q', boddy) FROM tickets", "line 1, column 23", "boddy"),
        ("SELECT id FROM ticket WHERE AI_FILTER('q', body)", "line 1, column 16", "did you mean 'tickets'"),
        ("SELECT AI_CLASSIFY(body, ['a']) FROM tickets", "line 1, column 8", "two labels"),
        ("SELECT AI_FILTER('q', body):labels FROM tickets", "line 1, column 8", "leave it out"),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE AI_FILTER('q', n::VARCHAR)) SELECT * FROM r", "line 1, column 72", "the query that reads the WITH"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_with_place_and_remedy(con, oracle, query, place, remedy):
    from rowsight.plan.sql.place import SqlError

    with pytest.raises(SqlError) as refused:
        con.sql(query)
    assert str(refused.value).startswith(place)
    assert remedy in str(refused.value)
    assert not oracle.asked


def test_the_rewrites_that_refusals_name_work(con):
    con.sql("SELECT id FROM tickets LEFT JOIN (SELECT * FROM notes WHERE AI_FILTER('q', note)) AS u ON id = u.ticket")
    con.sql("SELECT id FROM (SELECT * FROM tickets USING SAMPLE 10) AS t WHERE AI_FILTER('q', body)")
    con.sql("SELECT DISTINCT t.id FROM tickets t JOIN notes n ON n.ticket = t.id WHERE AI_FILTER('kind?', n.note)")
    con.sql("SELECT AI_COMPLETE('m', x) FROM (SELECT unnest([body, topic]) AS x FROM tickets) AS u")


class Shares(Simple):
    """Says yes to a share of the rows, by the question's first word: one in so many."""

    async def ask(self, question, model, distinct):
        told = await super().ask(question, model, distinct)
        every = int(question.template.source.split()[0])
        return [Told(int(row[0].split()[0]) % 10 < every, "asked") for _, row in zip(told, distinct, strict=True)]


@pytest.mark.parametrize(
    ("where", "most"),
    [
        ("AI_FILTER('1 rare?', x) OR AI_FILTER('9 common?', x)", 1000 + 100 + 50),
        ("(AI_FILTER('1 rare?', x) OR AI_FILTER('2 seldom?', x)) OR (AI_FILTER('8 often?', x))", 1000 + 200 + 200 + 100),
        ("NOT (AI_FILTER('9 common?', x) AND AI_FILTER('1 rare?', x))", 1000 + 100 + 50),
        ("(AI_FILTER('9 common?', x) AND AI_FILTER('1 rare?', x)) OR i < 500", 500 + 50 + 50),
        ("(AI_FILTER('1 rare?', x) OR AI_FILTER('9 common?', x)) AND AI_FILTER('2 seldom?', x)", 1000 + 200 + 100 + 100),
    ],
)  # fmt: skip
def test_alternatives_that_settle_most_rows_come_first(where, most):
    oracle = Shares()
    table = pa.table({"i": range(1000), "x": [f"{i} word" for i in range(1000)]})
    con = connect(oracle=oracle, tables={"t": table})
    con.sql(f"SELECT count(*) FROM t WHERE {where}")
    assert len(oracle.asked) <= most
