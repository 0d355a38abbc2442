"""A table understood as a whole: one command, one budget, one report; bad input."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rowsight
from rowsight.calls.budget import Budget
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import ColumnError, InputError
from rowsight.execution.understand import budgets
from rowsight.execution.understand.anomalies import FAR, anomalies
from rowsight.execution.understand.understood import Spent
from rowsight.surfaces.cli import main
from rowsight.worlds import generate

ROWS = 600


@pytest.fixture(scope="module")
def world():
    return generate("support", "en", rows=ROWS, seed=3)


@pytest.fixture(scope="module")
def model(world):
    """Return a simulated model that names a group by what most of its texts are."""
    topic = {t: label for t, label in zip(*(world[c].to_pylist() for c in ("text", "true_topic")), strict=True) if t}

    def hook(messages, schema):
        asked = (schema or {}).get("properties", {})
        if "groups" in asked:
            return {"groups": []}
        if "name" not in asked:
            return None
        members = messages[-1]["content"].split("<<<members\n")[1].split("\nmembers>>>")[0].split("\n\n")
        found = Counter(topic[m] for m in members if m in topic).most_common(1)
        return {"name": found[0][0] if found else "other", "description": "a group"}

    config = SimulationConfig(text="text", truths=(Truth("true_topic"),), hook=hook)
    with SimulatedServer(config, world.to_batches()) as server:
        yield server


@pytest.fixture(scope="module")
def table(world):
    return world.select(["id", "created_at", "region", "channel", "text"])


@pytest.fixture(scope="module")
def found(table, model, tmp_path_factory):
    session = rowsight.Session(state=tmp_path_factory.mktemp("state"))
    query = rowsight.read(table, session=session).understand()
    out = tmp_path_factory.mktemp("out") / "report.html"
    result = query.run("sim", base_url=model.base_url, budget="200calls", price_in=0.25, price_out=2.0, out=out)
    return query, result, out


def test_columns_are_chosen(found):
    query, _, _ = found
    assert (query.columns.text, query.columns.time, query.columns.by, query.columns.key) == (
        *("text", "created_at", "region", "id"),
    )


def test_one_budget_holds_for_all_steps(found):
    query, result, _ = found
    assert 20 < result.calls <= 200
    assert [s.step for s in result.spent] == ["themes", "summary"]
    assert result.cost == pytest.approx(sum(s.cost for s in result.spent))
    estimate = query.estimate(budget="200calls", price_in=0.25, price_out=2.0)
    assert estimate.calls_low <= result.calls <= estimate.calls_high == 200
    assert result.cost <= estimate.cost


def test_what_is_shown_stands_in_the_table(found, table):
    _, result, _ = found
    texts, ids = table.column("text").to_pylist(), table.column("id").to_pylist()
    assert result.themes.themes
    for theme in result.themes.themes:
        assert theme.low <= theme.share <= theme.high
        assert all(result.rows[e.row].key == str(ids[e.row]) for e in theme.examples)
    assert result.summary.sentences
    for sentence in result.summary.sentences:
        assert sentence.rows
        assert any(sentence.text in " ".join(texts[row].split()) for row in sentence.rows)
        assert sentence.keys == tuple(ids[row] for row in sentence.rows)
    for row, held in result.rows.items():
        assert held.text is None or "•" in held.text or held.text.endswith("…") or held.text == texts[row]


def test_the_report_and_its_json_hold_the_same(found):
    _, result, out = found
    page = out.read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    held = json.loads(json.dumps(result.as_dict(), default=str))
    assert [t["name"] for t in held["themes"]["themes"]] == [t.name for t in result.themes.themes]
    assert held["calls"] == result.calls
    assert all(t.name in page for t in result.themes.themes)


def test_a_second_run_pays_nothing(found, model):
    query, first, _ = found
    again = query.run("sim", base_url=model.base_url, budget="200calls")
    assert again.calls == 0
    assert [t.share for t in again.themes.themes] == [t.share for t in first.themes.themes]


def test_a_tiny_budget_is_kept_and_told(table, model, tmp_path):
    query = rowsight.read(table, session=rowsight.Session(state=tmp_path)).understand()
    result = query.run("sim", base_url=model.base_url, budget="3calls")
    assert result.calls <= 3
    assert result.budget_spent
    assert result.anomalies
    result = query.run("sim", base_url=model.base_url, budget="4ktokens")
    assert sum(s.prompt_tokens + s.completion_tokens for s in result.spent) <= 4000


@pytest.mark.parametrize(
    "columns",
    [
        {"body": ["the only row there is, with a text"]},
        {"body": ["the same text in every row, again and again"] * 60},
        {
            "body": ["مرحبا، أين طردي الذي طلبته؟", "我的包裹在哪里？", "<script>alert(1)</script> und mehr Text"],
            "n": [1, 2, 3],
        },
    ],
)
def test_odd_tables_are_understood(columns, model, tmp_path):
    query = rowsight.read(pa.table(columns), session=rowsight.Session(state=tmp_path)).understand()
    assert query.estimate().calls_high <= 500
    result = query.run("sim", base_url=model.base_url, out=tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size > 1000
    assert json.dumps(result.as_dict(), default=str)


def test_a_table_without_texts_is_refused():
    numbers = rowsight.read(pa.table({"n": [1, 2, 3]}))
    with pytest.raises(InputError, match="no column of texts"):
        numbers.understand()
    for empty in (["", None, ""], pa.array([], pa.string())):
        with pytest.raises(InputError, match="no column of texts"):
            rowsight.read(pa.table({"body": empty})).understand()
    with pytest.raises(ColumnError, match="did you mean 'body'"):
        rowsight.read(pa.table({"body": ["some text"]})).understand(text="bodi")


def test_rows_that_stand_out_are_found():
    texts = [t for t in generate("clinic", "en", rows=400, seed=2).column("text").to_pylist() if t]
    texts[17] = "zxqv wjkp 9f8a77c0 kkkkkkkkkkkkkk qqq zzzz vvvv jjjj"
    texts[40] = texts[40] * 40
    table = rowsight.read(pa.table({"body": texts}))
    with table._session.opened(table.plan) as relations:
        found = {a.row: a for a in anomalies(relations, table.plan, table.profile().column("body"), 0)}
    assert found[17].kind == "unlike the others"
    assert 40 in found
    assert all(a.score is None or a.score >= FAR for a in found.values())


def test_budgets_are_shared_in_whole_calls():
    whole = Budget.parse("500calls")
    share = budgets.split(whole, None)
    assert share.themes == "470calls"
    assert 200 < share.sample < 470
    spent = (Spent("themes", "r", 480, 0, 0, 0, None, 0.0, budget_spent=False),)
    assert budgets.for_summary(budgets.left(whole, spent), whole).limit == 20
    assert budgets.written(Budget.parse("3.50usd")) == "3.500000usd"
    assert Budget.parse(budgets.written(Budget("microusd", 1234567))).limit == 1234567


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code or 0


@pytest.fixture
def tickets(table, tmp_path, monkeypatch):
    pq.write_table(table.slice(0, 200), tmp_path / "tickets.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROWSIGHT_STATE", str(tmp_path / "state"))
    return tmp_path


def test_the_command_estimates_asks_and_writes(tickets, model, capsys):
    base = ("understand", "tickets.parquet", "--model", "sim", "--base-url", model.base_url, "--budget", "150calls")
    assert run(*base, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["calls_high"] <= 150
    assert run(*base, "--out", "r.html", "--by", "channel", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["columns"]["by"] == "channel"
    assert printed["calls"] <= 150
    assert (tickets / "r.html").read_text().startswith("<!doctype html>")
    assert run(*base, "--out", "r.json", "--by", "channel", "--lang", "zh") == 0
    said = capsys.readouterr().out
    assert said.startswith("Looks at text text, time created_at, by channel\nEstimate: ")
    assert json.loads((tickets / "r.json").read_text())["profile"]["rows"] == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "r.docx"], "the ending says no form of a report"),
        (["--text", "txt"], "did you mean 'text'"),
        (["--budget", "many"], "budget 'many' is not understood"),
    ],
)
def test_bad_input_is_refused_before_anything_is_paid(tickets, model, capsys, arguments, said):
    before = model.stats()["requests"] if callable(getattr(model, "stats", None)) else None
    assert run("understand", "tickets.parquet", "--model", "sim", "--base-url", model.base_url, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert before is None or model.stats()["requests"] == before
