"""Counts, shares and means through the whole road: verbs, groups, reruns, budgets, failures, the certificate."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import rowsight
from rowsight import worlds
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import ColumnError, InputError, OutputError

ROWS = 1500
TABLE = worlds.generate("retail", "en", ROWS, seed=5)
ASKED = worlds.questions("retail", "en")
ASKABLE = TABLE.filter(pc.fill_null(pc.not_equal(TABLE.column("text"), ""), fill_value=False))
YES = pc.sum(ASKABLE.column(ASKED.filter.truth).cast(pa.int64())).as_py()
MEAN = pc.mean(ASKABLE.column(ASKED.score.truth).cast(pa.float64())).as_py()


@pytest.fixture(scope="module")
def model():
    truths = (Truth(ASKED.score.truth, "number from"), Truth(ASKED.filter.truth))
    with SimulatedServer(SimulationConfig(text="text", truths=truths), TABLE.to_batches()) as server:
        yield server


@pytest.fixture
def table(tmp_path):
    return rowsight.read(TABLE, session=rowsight.Session(state=tmp_path / "state"))


@pytest.fixture
def asked(model):
    return {"model": "sim", "base_url": model.base_url}


def test_a_count_is_whole_and_its_interval_holds_the_truth(table, asked):
    result = table.count(ASKED.filter.prompt, within=0.05).run(**asked)
    assert result.low <= YES <= result.high
    assert result.low <= result.value <= result.high
    assert all(isinstance(v, int) for v in (result.low, result.value, result.high))
    assert result.high - result.low <= 2 * 0.05 * result.rows
    assert result.rows == len(ASKABLE)
    assert result.calls <= result.asked < ROWS / 2
    assert result.reached
    assert result.to_arrow().column_names == ["value", "low", "high", "rows", "asked"]
    assert result.certificate.statement.startswith(f"Over these {result.rows:,} rows, the model would answer yes on")


def test_every_row_is_accounted_for(table, asked):
    report = table.share(ASKED.filter.prompt, calls=150).run(**asked).report.as_dict()
    assert sum(report[n] for n in ("asked", "proxied", "null", "failed", "skipped")) == report["rows"] == ROWS
    assert report["asked"] == 150
    assert "kept" not in report
    assert report["figures"][0]["asked"] == 150


def test_the_same_run_gives_the_same_interval_and_asks_nothing_twice(table, asked):
    sought = table.share(ASKED.filter.prompt, calls=200)
    first, again = sought.run(**asked), sought.run(**asked)
    assert (first.value, first.low, first.high) == (again.value, again.low, again.high)
    assert again.calls == 0
    narrower = table.share(ASKED.filter.prompt, calls=400).run(**asked)
    assert narrower.asked >= first.asked + 400  # known rows, and repeats of their texts, are counted exactly
    assert narrower.certificate.body["attempt"] == 2


def test_a_run_that_was_killed_ends_with_the_interval_it_would_have_had(model, tmp_path):
    def run(state, **options):
        session = rowsight.Session(state=tmp_path / state)
        sought = rowsight.read(TABLE, session=session).share(ASKED.filter.prompt, within=0.05)
        return sought.run(model="sim", base_url=model.base_url, **options)

    whole = run("whole")
    stopped = run("stopped", budget="120calls")
    assert stopped.report.budget_spent
    assert not stopped.reached
    assert stopped.low <= YES / stopped.rows <= stopped.high
    ended = run("stopped")
    assert (ended.low, ended.high) == (whole.low, whole.high)
    assert ended.calls == whole.calls - stopped.calls


def test_the_mean_of_a_score_in_every_group(table, asked):
    result = table.mean(ASKED.score.prompt, range=(0, 10), within=1.0, by="channel").run(**asked)
    assert result.low <= MEAN <= result.high
    truth = {
        g["channel"]: g[f"{ASKED.score.truth}_mean"]
        for g in ASKABLE.group_by("channel").aggregate([(ASKED.score.truth, "mean")]).to_pylist()
    }
    assert set(result.groups) == set(truth)
    assert all(found.low <= truth[name] <= found.high for name, found in result.groups.items())
    assert sum(found.rows for found in result.groups.values()) == result.rows
    rows = result.to_arrow().to_pylist()
    assert [r["channel"] for r in rows] == list(result.groups)


def test_a_group_whose_rows_were_all_asked_is_exact(table, asked):
    table.share(ASKED.filter.prompt, calls=ROWS // 2).run(**asked)
    result = table.count(ASKED.filter.prompt, calls=ROWS, by="channel").run(**asked)
    for figure in result.groups.values():
        assert figure.asked == figure.rows
        assert figure.low == figure.value == figure.high
    assert result.low == result.value == result.high == YES


def test_rows_that_fail_widen_the_interval(tmp_path):
    config = SimulationConfig(text="text", truths=(Truth(ASKED.filter.truth),), rate_refusal=0.2)
    with SimulatedServer(config, TABLE.to_batches()) as server:
        table = rowsight.read(TABLE.slice(0, 200), session=rowsight.Session(state=tmp_path))
        result = table.count(ASKED.filter.prompt, within=1).run(model="sim", base_url=server.base_url)
    assert not result.reached
    assert result.asked == result.rows
    assert result.high - result.low == result.report.total("failed") > 0
    assert len(result.result.unjudged()) == result.report.total("failed")


def test_the_certificate_is_kept_and_says_what_it_does_not_cover(table, asked, tmp_path):
    result = table.share(ASKED.filter.prompt, calls=100).run(**asked)
    result.certificate.save(tmp_path / "share.json")
    body = json.loads((tmp_path / "share.json").read_text())
    assert body["format"] == "rowsight-estimate/1"
    assert body["figures"][0]["low"] == result.low
    assert body["table"]["columns"] == ["text"]
    assert any("NULL" in line for line in body["not_covered"])


def test_a_table_without_rows(table, asked):
    none = table.where("1 = 0")
    assert none.count(ASKED.filter.prompt, calls=10).run(**asked).value == 0
    assert none.share(ASKED.filter.prompt, calls=10).run(**asked).value is None
    assert none.share(ASKED.filter.prompt, calls=10, by="channel").run(**asked).groups == {}


def test_what_it_may_cost_is_known_before(table):
    assert table.count(ASKED.filter.prompt, calls=70).estimate().calls_high == 70
    open_ended = table.share(ASKED.filter.prompt, within=0.01).estimate()
    assert 100 <= open_ended.calls_low < open_ended.calls_high <= ROWS
    assert "Share" in table.share(ASKED.filter.prompt, within=0.01).explain()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "calls=N .* or within=X"),
        ({"calls": 5, "within": 0.1}, "one of the two"),
        ({"calls": 0}, "asks nothing"),
        ({"within": -1}, "not above 0"),
        ({"within": 3}, "nothing of a share"),
        ({"within": 0.1, "confidence": 1.5}, "between 0 and 1"),
    ],
)
def test_demands_that_make_no_sense_are_refused(table, options, message):
    with pytest.raises(InputError, match=message):
        table.share(ASKED.filter.prompt, **options)


def test_unknown_columns_are_named(table):
    with pytest.raises(ColumnError, match=r"chanel.*channel"):
        table.share(ASKED.filter.prompt, calls=10, by="chanel")
    with pytest.raises(ColumnError, match="txt"):
        table.share("Is {txt} late?", calls=10)


@pytest.mark.parametrize(("verb", "question"), [("count", ASKED.filter.prompt), ("mean", ASKED.score.prompt)])
def test_an_estimate_has_a_curve_that_ends_with_its_interval(table, asked, verb, question):
    result = getattr(table, verb)(question, calls=300).run(**asked, price_in=1.0, price_out=1.0)
    points = result.report.curves[0]
    assert len(points) > 3
    assert {point["figure"] for point in points} == {verb}
    assert points[-1]["promise"] == {"low": result.low, "high": result.high}
    assert [p["asked"] for p in points] == sorted(p["asked"] for p in points)
    assert points[-1]["asked"] == result.asked
    assert points[-1]["cost"] == pytest.approx(result.report.cost)
    ends = [(p["promise"]["low"], p["promise"]["high"]) for p in points]
    truth = YES if verb == "count" else MEAN
    assert all(low - 1e-6 <= truth <= high + 1e-6 for low, high in ends)


def test_the_curve_is_saved_from_python(table, asked, tmp_path):
    result = table.count(ASKED.filter.prompt, calls=120).run(**asked).result
    result.save_curve(tmp_path / "curve.svg")
    assert "at least " in (tmp_path / "curve.svg").read_text(encoding="utf-8")
    result.save_curve(str(tmp_path / "curve.json"))
    assert json.loads((tmp_path / "curve.json").read_bytes())[-1]["promise"] == result.report.curves[0][-1]["promise"]
    for bad in ("curve.png", "nowhere/curve.svg"):
        with pytest.raises(OutputError, match="the curve"):
            result.save_curve(tmp_path / bad)


def test_an_estimate_stops_when_told_to_and_goes_on(table, asked):
    wanted = table.share(ASKED.filter.prompt, within=0.01)
    stopped = wanted.run(**asked, stop_when=lambda p: p.promise["high"] - p.promise["low"] < 0.2)
    assert stopped.report.stopped
    assert not stopped.reached
    assert stopped.low < stopped.high
    whole = wanted.run(**asked)
    assert whole.reached
    assert stopped.low <= whole.low <= whole.high <= stopped.high


@pytest.mark.parametrize(
    "demand", [{"calls": 1.5}, {"calls": "10"}, {"calls": True}, {"within": "0.1"}, {"calls": 9, "confidence": "0.9"}]
)
def test_what_is_no_number_is_named(table, demand):
    with pytest.raises(InputError, match="number; give one such as"):
        table.count(ASKED.filter.prompt, **demand)
    with pytest.raises(InputError, match=r"missed='0\.1' is not a number"):
        table.filter(ASKED.filter.prompt).missed(at_most="0.1")


def test_a_null_group_and_a_group_named_so_are_two(asked, tmp_path):
    rows = ASKABLE.slice(0, 40)
    names = [None if i % 2 else "None" for i in range(len(rows))]
    table = rowsight.read(rows.append_column("g", pa.array(names)), session=rowsight.Session(state=tmp_path))
    result = table.count(ASKED.filter.prompt, within=0.5, by="g").run(**asked)
    assert sum(group.rows for group in result.groups.values()) == len(rows)
    assert sum(group.value for group in result.groups.values()) == result.value


def test_no_rows_and_one_row_are_said_in_words(table, asked):
    none = table.where("false").share(ASKED.filter.prompt, calls=10).run(**asked)
    assert repr(none) == "<FigureResult: no rows>"
    one = table.where(f"id = '{ASKABLE.column('id')[0].as_py()}'").count(ASKED.filter.prompt, calls=10).run(**asked)
    assert one.certificate.statement.startswith("Over this one row, the model would answer yes on")
    empty = rowsight.read(pa.table({"text": pa.array([None, ""], pa.string())}))
    said = empty.mean("How angry is {text}?", within=1).run(**asked, ledger=False).certificate.statement
    assert said == "There is no row with anything to be asked about."
