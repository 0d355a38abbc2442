"""Certified runs at any moment: the curve, stopping, going on, and the best promise of a budget."""

import json
import os
import signal
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from benchmarks.validity import anytime
from benchmarks.validity.cases import above_budget
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from zone_tables import Numbers, figures, noisy

import rowsight
from rowsight import worlds
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import InputError
from rowsight.core.events import CurvePoint, Progress
from rowsight.execution import curve_picture
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import SKIPPED, Afford, Ask, Note
from rowsight.execution.cascade.purse import LEVELS, highest, rounded_down
from rowsight.guarantees import verifier
from rowsight.plan.guarantee import Guarantee
from rowsight.surfaces.cli.interrupt import interruptible
from rowsight.surfaces.cli.show import ProgressLine, progress_line

ROWS = 1200
TABLE = worlds.generate("retail", "en", ROWS, seed=5)
ASKED = worlds.questions("retail", "en")
BOTH = Guarantee(best=("precision", "recall"))


def drive(features, truth, guarantee, money, *, seed=0, groups=None):
    """Run a cascade with money for so many rows: the decision, the promises on the way, the rows asked."""
    options = {"classes": 2, "seed": seed, "known": None, "groups": groups, "attempt": 1}
    steps = cascade_for(Numbers(features), guarantee, **options)
    reply, spent, promises = None, 0, []
    while True:
        try:
            request = steps.send(reply)
        except StopIteration as done:
            return done.value, promises, spent
        reply = None
        if isinstance(request, Ask):
            reply = truth[request.rows].astype(np.int64)
            reply[max(money - spent, 0) :] = SKIPPED
            spent += int(np.sum(reply != SKIPPED))
        elif isinstance(request, Afford):
            reply = np.array([money - spent])
        elif isinstance(request, Note) and request.kind == "promise":
            promises.append(request.values)


# --- the best promise of a budget ---------------------------------------------------------------------------------


@pytest.mark.parametrize("guarantee", [BOTH, Guarantee(best=("accuracy",)), Guarantee(recall=0.8, best=("precision",))])
def test_the_whole_budget_is_spent_and_the_promise_holds(guarantee):
    features, truth = noisy(3000, 0.3, 0, noise=0.6)
    decision, promises, spent = drive(features, truth, guarantee, 500)
    body = decision.certificate
    assert spent == 500 == body["asked"]
    assert body["certified"]
    assert (decision.answers >= 0).all()
    real = dict(zip(("precision", "recall"), figures(decision.answers, truth), strict=True))
    real["accuracy"] = float(np.mean(decision.answers == truth))
    for metric in body["metrics"]:
        assert real[metric["metric"]] >= metric["level"] > 0.5
    assert {p["stage"] for p in promises} == {"training", "certifying"}
    verifier.verify(json.loads(json.dumps(body)))


def test_more_money_promises_more():
    features, truth = noisy(1500, 0.3, 1, noise=0.6)
    for guarantee in (BOTH, Guarantee(best=("accuracy",))):
        levels = [
            min(m["level"] for m in drive(features, truth, guarantee, money)[0].certificate["metrics"])
            for money in (150, 600, 1500)
        ]
        assert levels[0] < levels[1] < levels[2] == 1


def test_precision_demanded_and_recall_left_open():
    features, truth = noisy(3000, 0.3, 2, noise=0.5)
    body = drive(features, truth, Guarantee(precision=0.9, best=("recall",)), 700)[0].certificate
    levels = {m["metric"]: m["level"] for m in body["metrics"]}
    assert body["certified"]
    assert levels["precision"] == 0.9
    assert 0.5 < levels["recall"] < 1
    alone = drive(features, truth, Guarantee(best=("recall",)), 700)[0]
    assert figures(alone.answers, truth)[0] == 1  # precision isn't named: no wrong row is kept


@pytest.mark.parametrize("money", [0, 1, 5, 40, 300])
@pytest.mark.parametrize("guarantee", [BOTH, Guarantee(best=("accuracy",))])
def test_any_budget_gives_a_true_certificate(money, guarantee):
    features, truth = noisy(300, 0.3, 3)
    decision, _, spent = drive(features, truth, guarantee, money)
    assert spent == min(money, 300)
    for metric, level in decision.certificate["reached"].items():
        real = {
            "accuracy": np.mean(decision.answers == truth),
            **dict(zip(("precision", "recall"), figures(decision.answers, truth), strict=True)),
        }
        assert real[metric] >= level - 1e-12
    verifier.verify(json.loads(json.dumps(decision.certificate)))


def test_every_group_gets_the_level_stated():
    features, truth = noisy(3000, 0.3, 4, noise=0.5)
    groups = np.arange(3000) % 3
    for guarantee in (Guarantee(best=("accuracy",), by="region"), Guarantee(best=("precision", "recall"), by="region")):
        decision, _, _ = drive(features, truth, guarantee, 900, groups=groups)
        levels = {m["metric"]: m["level"] for m in decision.certificate["metrics"]}
        for group in range(3):
            given, real = decision.answers[groups == group], truth[groups == group]
            found = {
                "accuracy": np.mean(given == real),
                **dict(zip(("precision", "recall"), figures(given, real), strict=True)),
            }
            assert all(found[metric] >= level for metric, level in levels.items())


@given(st.lists(st.floats(0, 100), min_size=60, max_size=60), st.floats(-1, 101), st.integers(0, 80))
def test_the_highest_level_that_is_affordable_is_found_from_any_start(costs, left, start):
    costs = dict(zip(LEVELS.tolist(), sorted(costs), strict=True))
    affordable = [place for place, level in enumerate(LEVELS.tolist()) if costs[level] <= left]
    assert highest(costs.__getitem__, left, start) == max(affordable, default=0)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_stated_level_never_exceeds_what_was_proved(right, whole):
    level = rounded_down(min(right, whole), whole)
    assert level * whole <= min(right, whole) + 1e-6
    assert min(right, whole) / whole - level < 1.01e-4


# --- every moment is covered --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["accuracy", "best accuracy", "zones", "best zones"])
def test_no_moment_is_worse_than_promised_more_often_than_it_says(kind):
    trials, failure = (20, 0.2) if "zones" not in kind else (7, 0.2)
    failures = 0
    for seed in range(trials):
        case = above_budget(np.random.default_rng([3, seed]))
        case.failure = failure
        failures += anytime.failed(case, anytime.watched(kind, case, seed))
    assert failures <= binom.ppf(0.999, trials, failure)


def test_a_promise_that_forgets_what_is_left_is_caught():
    class Careless(anytime.WatchedBestAccuracyRun):
        def _promise(self, *trials):
            note = super()._promise(*trials)
            seen = [t for t in trials[0] if t.bounds[-1].drawn] if trials[0] else []
            for trial in seen:  # the share of errors in the sample is taken for the share in the table
                bound = trial.bounds[-1]
                self.false |= self._real(*trials)["accuracy"] < 1 - bound.errors / bound.drawn
            return note

    caught = 0
    for seed in range(6):
        case = above_budget(np.random.default_rng([3, seed]))
        run = Careless(Numbers(case.features), Guarantee(best=("accuracy",)), 2, seed, None, None, 1)
        run.truth = case.oracle.labels
        anytime.drive(run.steps(), case, 400)
        caught += run.false
    assert caught >= 3


# --- on the road --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    config = SimulationConfig(text="text", truths=(Truth(ASKED.filter.truth),))
    with SimulatedServer(config, TABLE.to_batches()) as server:
        yield server


@pytest.fixture
def table(tmp_path):
    return rowsight.read(TABLE, session=rowsight.Session(state=tmp_path / "state"))


def test_a_run_without_a_level_needs_a_budget(table, model):
    with pytest.raises(InputError, match="needs a budget"):
        table.filter(ASKED.filter.prompt, certify=True).run("sim", base_url=model.base_url)
    with pytest.raises(InputError, match="neither a share"):
        table.filter(ASKED.filter.prompt, recall="most")


def test_the_best_promise_of_a_budget_goes_on_with_the_same_draws(table, model):
    asking = table.filter(ASKED.filter.prompt, certify=True)
    first = asking.run("sim", base_url=model.base_url, budget="300calls")
    assert (first.report.calls, first.report.total("skipped"), first.report.budget_spent) == (300, 0, False)
    assert first.certificate.certified
    second = asking.run("sim", base_url=model.base_url, budget="200calls")
    assert second.report.calls == 200
    assert second.certificate.body["attempt"] == 1
    for before, after in zip(
        first.certificate.body["proof"]["pools"], second.certificate.body["proof"]["pools"], strict=True
    ):
        assert before["key"] == after["key"]
        assert after["rows"][: len(before["rows"])] == before["rows"]
    levels = [min(m["level"] for m in r.certificate.body["metrics"]) for r in (first, second)]
    assert levels[0] < levels[1]


def test_a_budget_in_money_is_planned_by_what_calls_cost(table, model):
    result = table.filter(ASKED.filter.prompt, accuracy="best").run(
        "sim", base_url=model.base_url, budget="0.05usd", price_in=1.0, price_out=1.0
    )
    assert 0.04 < result.report.cost <= 0.05
    assert result.certificate.body["certifying"] > 0.25 * result.report.calls
    point = result.report.asks[0].curve[-1]
    assert point.cost == pytest.approx(result.report.cost)
    assert point.promise["accuracy"] >= result.certificate.body["metrics"][0]["level"]


MONEY = {"price_in": 1.0, "price_out": 1.0}


def test_a_budget_in_money_without_a_level_buys_the_best_promise(table, model):
    said = []
    table._session.listener = said.append
    result = table.filter(ASKED.filter.prompt).run("sim", base_url=model.base_url, budget="0.05usd", **MONEY)
    assert 0.04 < result.report.cost <= 0.05
    assert result.report.total("skipped") == 0 < result.report.total("proxied")
    promised = {m["metric"]: m["level"] for m in result.certificate.body["metrics"]}
    assert min(promised["precision"], promised["recall"]) > 0.5
    assert any("the best promise that 0.05usd buys" in getattr(event, "message", "") for event in said)
    topic = table.classify(ASKED.filter.prompt, ["true", "false"], into="topic").select("topic")
    bought = topic.run("sim", base_url=model.base_url, budget="0.05usd", **MONEY)
    assert [m["metric"] for m in bought.certificate.body["metrics"]] == ["accuracy"]


def test_money_that_is_enough_for_every_row_asks_every_row(table, model):
    asking = table.filter(ASKED.filter.prompt, into="answer", keep_all=True)
    whole = asking.run("sim", base_url=model.base_url, budget="50usd", **MONEY)
    assert whole.report.total("proxied") == whole.report.total("skipped") == 0
    assert [m["level"] for m in whole.certificate.body["metrics"]] == [1.0, 1.0]
    assert not any("saves little" in note for note in whole.report.notes)
    plain = asking.run("sim", base_url=model.base_url)
    assert plain.report.calls == 0
    assert plain.to_arrow().column("answer").equals(whole.to_arrow().column("answer"))


@pytest.mark.parametrize(
    ("asked", "budget"),
    [
        (lambda t: t.filter(ASKED.filter.prompt, certify=False, keep_all=True), "0.02usd"),
        (lambda t: t.filter(ASKED.filter.prompt, keep_all=True), "100calls"),
        (lambda t: t.filter(ASKED.filter.prompt, keep_all=True).limit(400), "0.02usd"),
        (lambda t: t.complete("Reply to {text}."), "0.02usd"),
    ],
)
def test_other_budgets_without_a_level_are_caps(table, model, asked, budget):
    result = asked(table).run("sim", base_url=model.base_url, budget=budget, **MONEY, max_tokens=64)
    assert result.report.budget_spent
    assert result.report.total("skipped") > 0 == result.report.total("proxied")
    assert not result.certificates


def test_a_run_stops_where_it_is_told_and_goes_on_to_the_certificate_of_an_unbroken_one(table, model, tmp_path):
    asking = table.filter(ASKED.filter.prompt, precision=0.9, recall=0.9, keep_all=True)
    points = []

    def enough(point):
        points.append(point)
        return point.stage == "certifying"

    stopped = asking.run("sim", base_url=model.base_url, stop_when=enough)
    assert stopped.report.stopped
    assert not stopped.certificate.certified
    assert stopped.report.asks[0].curve[:-1] == points
    assert "Proved by then" in stopped.certificate.statement
    assert stopped.report.total("skipped") + stopped.report.total("proxied") > 0
    verifier.verify(json.loads(json.dumps(stopped.certificate.body)))
    whole = asking.run("sim", base_url=model.base_url)
    fresh = rowsight.read(TABLE, session=rowsight.Session(state=tmp_path / "fresh"))
    unbroken = fresh.filter(ASKED.filter.prompt, precision=0.9, recall=0.9, keep_all=True).run(
        "sim", base_url=model.base_url
    )
    assert whole.certificate.body["proof"] == unbroken.certificate.body["proof"]
    assert stopped.report.calls + whole.report.calls == unbroken.report.calls


def test_rows_that_no_money_was_left_for_are_skipped_and_have_no_answer(table, model):
    asking = table.filter(ASKED.filter.prompt, precision=0.9, recall=0.9, keep_all=True)
    result = asking.run("sim", base_url=model.base_url, budget="120calls")
    rows = result.to_arrow().to_pylist()
    assert result.report.total("asked") == 120
    assert result.report.total("proxied") == 0
    assert all(r["answer"] is None for r in rows if r["answer_status"] == "skipped")


def test_stopping_from_outside(tmp_path):
    session = rowsight.Session(state=tmp_path)

    def listen(event):
        if isinstance(event, CurvePoint) and event.stage == "certifying":
            session.stopping.set()

    session.listener = listen
    slow = SimulationConfig(text="text", truths=(Truth(ASKED.filter.truth),), latency_ms=200)
    with SimulatedServer(slow, TABLE.to_batches()) as server:
        asking = rowsight.read(TABLE, session=session).filter(ASKED.filter.prompt, precision=0.95, recall=0.95)
        result = asking.run("sim", base_url=server.base_url, concurrency=64)
    assert result.report.stopped
    assert result.report.total("asked") < ROWS
    assert not session.stopping.is_set()


@pytest.fixture
def handler():
    """Yield the handler of Ctrl-C, which is Python's own: that of a suite in a shell's background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handler")
def test_an_interrupt_that_is_ignored_stays_ignored():
    session = rowsight.Session()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible(session, certified=True) as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert not interrupted.wait(0.05)


def test_the_first_interrupt_stops_gently_and_the_second_at_once(handler, capsys):
    session, before = rowsight.Session(), handler
    with interruptible(session, certified=True) as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.wait(1)
        assert session.stopping.is_set()
        assert signal.getsignal(signal.SIGINT) is before
    assert "Ctrl-C again" in capsys.readouterr().err
    with interruptible(session, certified=False):
        assert signal.getsignal(signal.SIGINT) is before


# --- the picture --------------------------------------------------------------------------------------------------


def test_the_curve_is_drawn():
    points = [
        CurvePoint(100, 100, 0.01, "training", {"recall": 0.02}),
        CurvePoint(200, 200, 0.02, "certifying", {"precision": 0.7, "recall": 0.4}),
        CurvePoint(400, 400, 0.04, "certifying", {"precision": 0.9, "recall": 0.85}),
    ]
    lines = curve_picture.terminal(points)
    assert [line.split()[0] for line in lines] == ["recall", "precision"]
    assert lines[0].endswith("400 asked: 85.00%")
    drawn = curve_picture.svg(points, "a <title>")
    assert "a &lt;title&gt;" in drawn
    assert "frozen" in drawn
    assert "$0.04" in drawn
    assert drawn.count("<polyline") == 2
    assert curve_picture.terminal([]) == []
    assert "nothing was asked" in curve_picture.svg([], "nothing")


SVG = "{http://www.w3.org/2000/svg}"


def texts(drawn):
    return [element.text for element in ET.fromstring(drawn).iter(f"{SVG}text")]


def test_the_picture_names_the_question_the_demand_the_axes_and_the_money():
    points = [
        CurvePoint(100, 100, 0.5, "training", {"recall": 0.02}),
        CurvePoint(900, 900, 4.5, "certifying", {"precision": 0.9, "recall": 0.9}),
        CurvePoint(1000, 1000, 5.0, "done", {"precision": 0.91, "recall": 0.905}),
    ]
    drawn = curve_picture.svg(points, "Is {text} late? " * 9, {"precision": 0.9, "recall": 0.9})
    said = texts(drawn)
    assert said[0].endswith("…")
    assert len(said[0]) < 80
    assert said.count("demanded: 90%") == 1
    assert {"0", "200", "1,000", "$0.00", "$1.00", "$5.00"} <= set(said)
    assert "rows asked, and the money spent by then" in said
    names = [e for e in ET.fromstring(drawn).iter(f"{SVG}text") if e.text in ("precision 91.00%", "recall 90.50%")]
    assert abs(float(names[0].get("y")) - float(names[1].get("y"))) >= 12
    line = next(ET.fromstring(drawn).iter(f"{SVG}polyline")).get("points").split()
    assert len(line) == 5  # steps: what was promised at 100 rows is all that is promised until the next point


def test_one_point_is_seen_and_shares_of_rows_missed_have_an_axis_of_their_own():
    assert "<circle" in curve_picture.svg([CurvePoint(15, 15, None, "done", {"accuracy": 1.0})], "t")
    points = [
        CurvePoint(300, 300, None, "training", {"missed": 0.9}),
        CurvePoint(900, 900, None, "done", {"missed": 0.0009}),
    ]
    assert "0.1%" in texts(curve_picture.svg(points, "t", {"missed": 0.001}))


@pytest.mark.parametrize(
    ("figure", "low", "high", "said", "ticks"),
    [
        ("share", 0.116, 0.152, "11.60% to 15.20%", {"10%", "15%"}),
        ("count", 3200.0, 4100.0, "3,200 to 4,100", {"2,000", "4,000"}),
        ("mean", 7.0, 7.25, "7 to 7.25", {"6.5", "7"}),
    ],
)
def test_an_estimate_is_drawn_as_a_band_that_narrows(figure, low, high, said, ticks):
    room = high - low
    points = [
        CurvePoint(100, 100, None, "estimating", {"low": 0.0, "high": 30 * high}, figure),
        CurvePoint(300, 300, None, "estimating", {"low": low - room, "high": high + room}, figure),
        CurvePoint(400, 400, None, "done", {"low": low, "high": high}, figure),
    ]
    assert curve_picture.terminal(points)[0].endswith(f"400 asked: {said}")
    drawn = curve_picture.svg(points, "t")
    assert drawn.count("<polygon") == 1
    assert ticks <= set(texts(drawn))
    heights = [
        float(pair.split(",")[1]) for pair in next(ET.fromstring(drawn).iter(f"{SVG}polygon")).get("points").split()
    ]
    assert 60 <= min(heights) < max(heights) <= 260


# --- the live line ------------------------------------------------------------------------------------------------

BUSY = Progress(1_803, 54_263, 53, 1_920, 64, 2, 0.0791, 28.0)


@pytest.mark.parametrize("room", [200, 100, 79, 60, 20])
def test_the_live_line_fits_the_terminal_and_keeps_what_matters(room):
    point = CurvePoint(1_803, 1_920, 0.0791, "certifying", {"precision": 0.801, "recall": 0.745})
    line = progress_line(BUSY, point, room=room)
    assert len(line) <= room
    assert "left" not in line  # of a run that asks as few rows as it can nobody knows the time
    if room > 100:
        assert line.startswith("1,803 of 54,263 rows, 64/s, 1,920 calls, 53 in flight, 2 failed, $0.0791")
    if 70 < room < 200:
        assert "1,920 calls, $0.0791, certifying: promises precision 80.1%, recall 74.5%" in line
    assert progress_line(BUSY, None, room=200).endswith("m35s left")


def test_the_promise_of_one_question_is_not_shown_of_the_next(capsys):
    for stage, shown in (("certifying", "promises recall 50.0%"), ("done", " left")):
        line = ProgressLine(quiet=False)
        line(CurvePoint(10, 10, None, stage, {"recall": 0.5}))
        line(BUSY)
        assert shown in capsys.readouterr().err


def test_the_live_line_of_an_estimate_says_the_interval():
    point = CurvePoint(1_803, 1_920, None, "estimating", {"low": 0.1, "high": 0.16}, "share")
    assert progress_line(BUSY, point, room=200).endswith("estimating: by now 10.00% to 16.00%")
