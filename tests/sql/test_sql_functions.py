"""AI functions inside another program's DuckDB."""

import duckdb
import pyarrow as pa
import pytest

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.surfaces.sql.functions import register

ROWS = {
    "id": list(range(12)),
    "body": [f"message {n} of a customer's" for n in range(11)] + [None],
    "late": [n % 3 == 0 for n in range(12)],
    "topic": [("delivery", "it's billing")[n % 2] for n in range(12)],
}


@pytest.fixture
def database(tmp_path):
    truths = (Truth("topic", "- delivery"), Truth("late"))
    with (
        SimulatedServer(SimulationConfig(text="body", truths=truths), ROWS) as server,
        duckdb.connect(tmp_path / "shop.duckdb") as opened,
    ):
        session = rowsight.Session(state=tmp_path / "state")
        register(opened, model="sim", base_url=server.base_url, session=session)
        opened.register("rows", pa.table(ROWS))
        yield opened, server


def test_functions_answer_as_queries_do_and_null_is_null(database):
    opened, server = database
    query = "SELECT id, ai_filter('Is it late?', body), ai_classify(body, ['delivery', 'it''s billing']) FROM rows ORDER BY id"
    found = opened.sql(query).fetchall()
    expected = zip(ROWS["id"][:-1], ROWS["late"], ROWS["topic"], strict=False)
    assert found == [*expected, (11, None, None)]
    asked = server.stats()["requests"]
    assert asked == 2 * 11
    assert opened.sql(query).fetchall() == found
    assert server.stats()["requests"] == asked


def test_a_question_may_differ_by_row(database):
    opened, server = database
    found = opened.sql("SELECT ai_filter('Is ' || (id % 2) || ' late?', body) FROM rows ORDER BY id").fetchall()
    assert [answer for (answer,) in found] == [*ROWS["late"][:-1], None]
    assert server.stats()["requests"] == 11


def test_rows_without_an_answer_fail_the_statement_and_what_came_is_kept(tmp_path):
    truths = (Truth("late"),)
    with SimulatedServer(SimulationConfig(text="body", truths=truths), {k: v[:4] for k, v in ROWS.items()}) as server:
        session = rowsight.Session(state=tmp_path)
        opened = duckdb.connect()
        register(opened, model="sim", base_url=server.base_url, session=session)
        opened.register("rows", pa.table(ROWS))
        with pytest.raises(duckdb.Error, match="failed"):
            opened.sql("SELECT ai_filter('Is it late?', body) FROM rows").fetchall()
        asked = server.stats()["requests"]
        opened.sql("SELECT ai_filter('Is it late?', body) FROM rows WHERE id < 4").fetchall()
        assert server.stats()["requests"] == asked
