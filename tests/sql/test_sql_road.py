"""Queries through the one road of all calls: a model on loopback, a ledger, a budget, the command line."""

import json

import duckdb
import pyarrow.parquet as pq
import pytest
from sql_tables import tickets

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import BudgetError, FailedRowsError, InputError
from rowsight.session import Session
from rowsight.surfaces.cli import main

QUERY = "SELECT id FROM tickets WHERE AI_FILTER('Is it late?', body) AND region = 'north' ORDER BY id"


@pytest.fixture(scope="module")
def model():
    table = tickets()
    late = [body is not None and "late" in body for body in table["body"].to_pylist()]
    rows = table.append_column("late", [late])
    config = SimulationConfig(text="body", truths=(Truth("late"),))
    with SimulatedServer(config, rows.filter(rows["body"].is_valid()).to_batches()) as server:
        yield server


@pytest.fixture
def con(model, tmp_path):
    session = Session(state=tmp_path / "state", environment={"OPENAI_API_KEY": "x"})
    return rowsight.connect(model="sim", base_url=model.base_url, session=session, tables={"tickets": tickets()})


def test_a_query_asks_the_model_and_the_ledger_remembers(con):
    first = con.sql(QUERY)
    expected = [
        i
        for i, body, _, region in zip(*tickets().to_pydict().values(), strict=True)
        if body and "late" in body and region == "north"
    ]
    assert [row[0] for row in first.fetchall()] == expected
    assert first.report.calls == first.report.total("asked") > 0
    again = con.sql(QUERY)
    assert again.fetchall() == first.fetchall()
    assert again.report.calls == 0
    assert again.report.total("from_ledger") == first.report.calls


def test_a_spent_budget_leaves_null_and_says_so(con):
    result = con.sql("SELECT id, AI_FILTER('Is it late?', body) AS late FROM tickets", budget="5calls")
    assert result.report.budget_spent
    assert result.report.calls == 5
    answers = [late for _, late in result.fetchall()]
    assert answers.count(None) > len(answers) / 2
    assert "NULL" in result.report.notes[0]


def test_a_query_raises_where_that_is_wanted_once_every_answer_is_kept(con):
    answers = "SELECT id, AI_FILTER('Is it late?', body) AS late FROM tickets"
    with pytest.raises(BudgetError, match="every answer is kept"):
        con.sql(answers, budget="5calls", on_failure="raise")
    assert con.sql(answers).report.total("from_ledger") == 5
    unknown = "SELECT AI_FILTER('Is it late?', 'nobody knows ' || id) AS late FROM tickets"
    assert con.sql(unknown).report.total("failed") > 0
    with pytest.raises(FailedRowsError, match="rows failed") as raised:
        con.sql(unknown, on_failure="raise")
    assert None in [late for (late,) in raised.value.result.fetchall()]


def test_a_budget_holds_for_one_model(con):
    with pytest.raises(InputError, match="a budget holds for one model"):
        con.sql("SELECT AI_FILTER('a?', body), AI_FILTER('b?', body, model => 'other') FROM tickets", budget="500calls")


def test_a_certificate_is_kept_with_what_it_speaks_of(con):
    result = con.sql("SELECT id FROM tickets WHERE AI_FILTER('Is it late?', body) WITH GUARANTEE (accuracy 0.8)")
    certificate = result.certificates[0]
    assert certificate.body["table"]["question"] == "Is it late? {body}"
    assert certificate.body["oracle"] == ["sim (fp_simulated)"]


def test_tables_of_every_kind(con, tmp_path):
    import pandas as pd
    import polars as pl

    con.register("p", pd.DataFrame({"x": ["a"]}))
    con.register("q", pl.DataFrame({"x": ["a"]}))
    con.register("d", duckdb.sql("SELECT 'a' AS x"))
    assert con.sql("SELECT count(*) FROM p JOIN q USING (x) JOIN d USING (x)").fetchall() == [(1,)]
    with pytest.raises(InputError):
        con.register("__x", {})


@pytest.fixture
def cli(model, tmp_path, monkeypatch, capsys):
    pq.write_table(tickets(), tmp_path / "tickets.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROWSIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("OPENAI_API_KEY", "x")

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["sql", *arguments, "--base-url", model.base_url])
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return run


FILE_QUERY = "SELECT id FROM 'tickets.parquet' WHERE AI_FILTER('Is it late?', body)"


def test_the_command_runs_a_query_and_writes_a_file(cli, tmp_path):
    (tmp_path / "query.sql").write_text(FILE_QUERY, encoding="utf-8")
    code, out, _ = cli("-f", "query.sql", "--model", "sim", "--out", "late.csv", "--json")
    report = json.loads(out)
    lines = (tmp_path / "late.csv").read_text(encoding="utf-8").splitlines()
    assert (code, lines[0].strip('"'), len(lines) - 1) == (0, "id", report["result_rows"])
    assert report["calls"] > 0
    assert report["rows"] == sum(report[n] for n in ("asked", "proxied", "null", "failed", "skipped"))


def test_the_command_writes_its_rows_where_unanswered_ones_end_it_with_an_error(cli, tmp_path):
    query = "SELECT id, AI_FILTER('Is it late?', body) AS late FROM 'tickets.parquet'"
    end = ("--budget", "5calls", "--on-failure", "raise")
    code, out, err = cli(query, "--model", "sim", "--out", "late.jsonl", *end)
    assert (code, out) == (3, "")
    assert "every answer is kept" in err
    rows = [json.loads(line) for line in (tmp_path / "late.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["late"] for row in rows} == {True, False, None}


def test_the_command_explains_without_a_model(cli):
    code, out, _ = cli(f"EXPLAIN {FILE_QUERY}")
    assert code == 0
    assert out.startswith("1. WHERE: filter 'Is it late? {body}': about ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((FILE_QUERY,), "--model NAME"),
        (("SELECT * FROM 'nothing.parquet'",), "line 1, column 15: there is no file nothing.parquet"),
        (("SELECT *\nFROM read_csv('tickets.parquet')",), "line 2, column 6: the table function read_csv()"),
        (("COPY (SELECT 1) TO 'x.csv'",), "need --allow"),
        ((), "give a query or -f FILE"),
        (("SELECT 1", "--table", "x"), "NAME=FILE"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(cli, arguments, says):
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_spent_budget_ends_with_3(cli):
    code, _, _ = cli(FILE_QUERY, "--model", "sim", "--budget", "3calls")
    assert code == 3
