"""Plans with several questions, in Python: stages, order, limits, sources, notebooks, failures as values."""

import asyncio

import pyarrow as pa
import pytest

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import ColumnError, FailedRowsError, InputError

ROWS = 3000
TABLE = pa.table(
    {
        "id": list(range(ROWS)),
        "text": [f"text number {i}" for i in range(ROWS)],
        "even": [i % 2 == 0 for i in range(ROWS)],
        "tenth": [i % 10 == 0 for i in range(ROWS)],
        "kind": ["abc"[i % 3] for i in range(ROWS)],
    }
)
TRUTHS = (Truth("even", "even"), Truth("tenth", "tenth"), Truth("kind", "kind"))


@pytest.fixture
def model():
    with SimulatedServer(SimulationConfig(text="text", truths=TRUTHS), TABLE.to_batches()) as server:
        yield server


@pytest.fixture
def tables(tmp_path):
    session = rowsight.Session(state=tmp_path / "state")
    return lambda source=TABLE: rowsight.read(source, session=session)


def options(model):
    return {"model": "sim", "base_url": model.base_url}


def test_a_filter_under_a_classify(tables, model):
    plan = tables().filter("Is {text} even?").classify("Of which kind is {text}?", ["a", "b", "c"], into="kind_answer")
    result = plan.run(**options(model))
    rows = result.to_arrow().to_pylist()
    assert [r["id"] for r in rows] == list(range(0, ROWS, 2))
    assert all(r["kind_answer"] == r["kind"] for r in rows)
    assert result.report.calls == ROWS + ROWS // 2
    assert model.stats()["repeated_prompts"] == 0


def test_the_most_selective_filter_goes_first_by_a_sample_that_is_kept(tables, model):
    plan = tables().filter("Is {text} even?").filter("Is {text} a tenth?")
    result = plan.run(**options(model))
    assert result.to_arrow().column("id").to_pylist() == list(range(0, ROWS, 10))
    assert result.report.calls <= ROWS + ROWS // 10 + 32
    assert model.stats()["repeated_prompts"] == 0


def test_a_limit_above_a_question_stops_asking(tables, model):
    result = tables().filter("Is {text} even?").limit(20).run(**options(model), concurrency=8)
    assert result.to_arrow().column("id").to_pylist() == list(range(0, 40, 2))
    assert result.report.calls < ROWS


def test_a_limit_between_questions(tables, model):
    plan = tables().filter("Is {text} even?").limit(20).classify("Of which kind is {text}?", ["a", "b", "c"])
    result = plan.run(**options(model), concurrency=8)
    assert result.to_arrow().column("id").to_pylist() == list(range(0, 40, 2))


def test_where_on_an_answer_and_select(tables, model):
    plan = (
        tables()
        .classify("Of which kind is {text}?", ["a", "b", "c"], into="k")
        .where("k = 'b' AND id < 30")
        .select("id", "k")
    )
    result = plan.run(**options(model))
    assert result.to_arrow().to_pydict() == {"id": list(range(1, 30, 3)), "k": ["b"] * 10}


def test_an_answer_can_be_asked_about(tables, model):
    plan = tables().limit(5).classify("Of which kind is {text}?", ["a", "b", "c"], into="k")
    result = plan.filter("Is {text} even, given {k}?", into="e", keep_all=True).run(**options(model))
    assert result.to_arrow().column("e").to_pylist() == [True, False, True, False, True]


def test_all_kinds_of_tables_give_the_same_answers(tables, model):
    small = TABLE.slice(0, 40)
    expected = None
    for source in (small, small.to_pandas(), small.to_reader()):
        got = tables(source).filter("Is {text} even?").run(**options(model)).to_arrow().column("id").to_pylist()
        expected = expected or got
        assert got == expected == list(range(0, 40, 2))
    assert model.stats()["requests"] == 40


def test_results_convert_and_render(tables, model):
    result = tables().limit(5).filter("Is {text} even?", into="e", keep_all=True).run(**options(model))
    assert result.to_pandas()["e"].tolist() == result.to_polars()["e"].to_list() == [True, False, True, False, True]
    assert "text number 0" in result._repr_html_()
    assert "5 asked" in repr(result)
    assert "Ask filter" in repr(tables().filter("Is {text} even?"))


async def test_inside_a_running_loop(tables, model):
    plan = tables().limit(5).filter("Is {text} even?")
    assert len(await plan.arun(**options(model))) == 3
    assert len(await asyncio.to_thread(plan.run, **options(model))) == 3
    assert len(plan.run(**options(model))) == 3


def test_null_and_empty_are_not_asked(tables, model):
    table = pa.table({"text": ["text number 0", None, "", "text number 1"], "other": ["x", "x", "", None]})
    both = tables(table).filter("Is {text} even, given {other}?", into="e", keep_all=True).run(**options(model))
    assert both.to_arrow().column("e_status").to_pylist() == ["asked", "null", "null", "null"]
    assert both.report.calls == 1


def test_numbers_and_dates_are_shown_as_sql_writes_them(tables, model):
    result = tables().limit(3).filter("Is {text} even, given {id}?", into="e", keep_all=True).run(**options(model))
    assert result.to_arrow().column("e").to_pylist() == [True, False, True]


def test_columns_must_be_there_and_free(tables):
    with pytest.raises(ColumnError, match="did you mean 'text'"):
        tables().filter("Is {texts} even?")
    with pytest.raises(ColumnError, match="already"):
        tables().classify("{text}", ["a", "b"], into="kind")
    with pytest.raises(InputError, match="did you mean 'concurrency'"):
        tables().filter("Is {text} even?").run("sim", concurency=3)


def test_failures_are_values(tables):
    config = SimulationConfig(text="text", truths=TRUTHS, rate_refusal=0.1, rate_malformed=0.1, seed=1)
    with SimulatedServer(config, TABLE.to_batches()) as model:
        plan = tables().limit(300).filter("Is {text} even?", into="e", keep_all=True)
        result = plan.run(**options(model))
        report = result.report
        assert report.total("failed") == len(result.failures) > 10
        assert set(report.failures) <= {"refused", "invalid_answer"}
        rows = result.to_arrow().to_pylist()
        assert all(r["e"] is None for r in rows if r["e_status"] == "failed")
        assert all(r["e"] == r["even"] for r in rows if r["e_status"] == "asked")
        assert result.unjudged().num_rows == report.total("failed")
        again = plan.run(**options(model))
        assert again.report.calls < 300
        with pytest.raises(FailedRowsError, match="every answer is kept"):
            tables().limit(600).filter("Is {text} even?").run(**options(model), on_failure="raise")


def test_certified_filter_and_its_certificate(tables, model):
    plan = tables().filter("Is {text} a tenth?", accuracy=0.9, into="t", keep_all=True)
    result = plan.run(**options(model), seed=3)
    certificate = result.certificate
    assert certificate is not None
    assert certificate.certified
    rows = result.to_arrow().to_pylist()
    wrong = sum(r["t"] != r["tenth"] for r in rows)
    assert wrong <= 0.1 * ROWS
    assert {r["t_status"] for r in rows} <= {"asked", "proxied"}
    assert result.report.calls <= ROWS
    again = plan.run(**options(model), seed=3)
    assert again.report.calls == 0
    assert again.certificate.body["digest"] == certificate.body["digest"]


def test_two_certified_filters_are_certified_as_one(tables, model):
    plan = tables().filter("Is {text} even?", recall=0.9).filter("Is {text} a tenth?", recall=0.9)
    result = plan.run(**options(model))
    assert len(result.certificates) == 1
    assert "certified; its population is the table as read" in result.report.notes[0]
    right = set(range(0, ROWS, 10))
    kept = set(result.to_arrow().column("id").to_pylist())
    assert len(kept & right) >= 0.9 * len(right)


def test_a_changed_model_voids_the_certificate(tables):
    config = SimulationConfig(text="text", truths=TRUTHS, drift_after=150, drift_fingerprint=True)
    with SimulatedServer(config, TABLE.to_batches()) as model:
        result = tables().filter("Is {text} a tenth?", accuracy=0.9, into="t").run(**options(model))
    assert not result.certificate.certified
    assert "the model changed" in result.certificate.statement
