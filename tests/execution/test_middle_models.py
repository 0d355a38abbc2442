"""A middle model through the whole road: prices, budget, ledger, report, provenance, refusals."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

import rowsight
from rowsight.calls.ledger import SqliteLedger
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.blocking import blocking
from rowsight.core.errors import InputError
from rowsight.guarantees import verifier

ROWS = 1100
PRICES = {"price_in": 2.0, "price_out": 8.0, "cascade_price_in": 0.05, "cascade_price_out": 0.2}
CASCADE = {"cascade": ["small"], **PRICES}


def reviews():
    """Texts that say nothing, two of them empty, one of them repeated, and labels."""
    draw = random.Random(5)
    texts = ["", *(f"review {draw.random()}" for _ in range(ROWS - 3)), "", "review again"]
    return pa.table({"text": [*texts, "review again"][:ROWS], "good": [draw.random() < 0.4 for _ in range(ROWS)]})


TABLE = reviews()
SERVED = {"text": "text", "truths": (Truth("good"),), "model_noise": {"small": 0.05}}


@pytest.fixture(scope="module")
def model():
    with SimulatedServer(SimulationConfig(**SERVED), TABLE.to_batches()) as server:
        yield server


def asking(model, folder):
    def run(state="state", *, verb="run", **options):
        demand = {k: options.pop(k) for k in ("accuracy", "precision", "recall", "certify") if k in options}
        table = rowsight.read(TABLE, session=rowsight.Session(state=folder / state))
        plan = table.filter("Is {text} good?", keep_all=True, into="good_said", **demand)
        return getattr(plan, verb)("large", base_url=model.base_url, **options)

    return run


@pytest.fixture
def ask(model, tmp_path):
    return asking(model, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(model, folder):
    """A run that nothing stopped; its state is in ``folder``."""
    return asking(model, folder)(accuracy=0.9, **CASCADE)


def right(result):
    rows = [r for r in result.to_arrow().to_pylist() if r["good_said_status"] != "null"]
    return sum(r["good_said"] == r["good"] for r in rows) / len(rows)


@pytest.fixture(scope="module")
def plain(model, whole, folder):
    """The same without a middle model, in a state that knows the run with one."""
    del whole
    return asking(model, folder)(accuracy=0.9, price_in=2.0, price_out=8.0)


def test_it_saves_money_and_everything_says_what_it_did(whole, plain, tmp_path):
    result, report = whole, whole.report
    assert report.cost < 0.6 * plain.report.cost + 0.6 * report.models["large"].cost
    assert right(result) >= 0.9
    large, small = report.models["large"], report.models["small"]
    assert large.rows + small.rows == ROWS - 2
    assert large.calls + small.calls == report.calls
    assert large.cost + small.cost == pytest.approx(report.cost)
    assert report.as_dict()["models"]["small"]["rows"] == small.rows > 0
    assert "models" not in plain.report.as_dict()
    assert "small was tried on" in result.explain()
    assert f"{small.rows:,} answered with its help" in result.explain()
    told = result.provenance().to_pylist()
    assert {(t["status"], t["model"]) for t in told} == {("asked", "large"), ("proxied", "small"), ("null", None)}
    assert all(t["request_key"] and t["cost"] > 0 for t in told if t["status"] != "null")
    assert report.curves[0][-1]["cost"] == pytest.approx(report.cost)
    assert result.certificate.body["middle"] == {"model": "small", "rows": small.rows}
    assert result.certificate.body["oracle"] == ["large (fp_simulated)"]
    result.certificate.save(tmp_path / "certificate.json")
    assert verifier.main([str(tmp_path / "certificate.json")]) == 0


def test_a_second_run_pays_nothing_and_decides_the_same_whatever_the_prices(ask):
    first = ask(precision=0.9, recall=0.9, **CASCADE)
    dearer = {**CASCADE, "cascade_price_in": 2.0, "cascade_price_out": 8.0}
    again = ask(precision=0.9, recall=0.9, **dearer)
    assert again.report.calls == 0
    assert again.certificate.body["digest"] == first.certificate.body["digest"]
    assert again.report.models["small"].rows == first.report.models["small"].rows


@pytest.mark.parametrize("budget", ["60calls", "300calls", "700calls"])
def test_a_budget_holds_for_both_and_a_run_that_goes_on_ends_the_same(whole, ask, budget):
    broken = ask("broken", accuracy=0.9, budget=budget, **CASCADE)
    assert broken.report.calls <= int(budget.removesuffix("calls"))
    again = ask("broken", accuracy=0.9, **CASCADE)
    assert again.certificate.body["proof"] == whole.certificate.body["proof"]
    assert again.report.calls == whole.report.calls - broken.report.calls
    assert again.to_arrow().equals(whole.to_arrow())


def test_it_can_be_stopped_and_goes_on(whole, ask):
    stopped = ask(accuracy=0.9, stop_when=lambda point: point.calls > 250, **CASCADE)
    assert stopped.report.stopped
    assert 250 < stopped.report.calls < whole.report.calls
    again = ask(accuracy=0.9, **CASCADE)
    assert again.certificate.body["proof"] == whole.certificate.body["proof"]
    assert again.report.calls == whole.report.calls - stopped.report.calls


def test_with_and_without_are_two_attempts(model, whole, plain, folder):
    ask = asking(model, folder)
    assert whole.certificate.body["attempt"] == 1
    again = ask(accuracy=0.9, **PRICES, cascade="small")
    assert (again.report.calls, again.certificate.body["attempt"]) == (0, 1)
    assert plain.certificate.body["attempt"] == 2
    assert "middle" not in plain.certificate.body


def test_a_model_that_always_refuses_costs_a_pilot_and_prices_come_from_the_endpoints_file(model, tmp_path):
    refusing = SimulationConfig(**SERVED, rate_refusal=1.0)
    with SimulatedServer(refusing, TABLE.to_batches()) as server:
        served = {"large": (model.base_url, 2.0), "small": (server.base_url, 0.05)}
        entries = [
            f'[models.{name}]\nprice_in = {price}\nprice_out = {price}\n[[models.{name}.endpoints]]\nbase_url = "{url}"\n'
            for name, (url, price) in served.items()
        ]
        (tmp_path / "endpoints.toml").write_text("".join(entries))
        table = rowsight.read(TABLE, session=rowsight.Session(state=tmp_path))
        result = table.filter("Is {text} good?", accuracy=0.9).run(
            "large", endpoints=tmp_path / "endpoints.toml", cascade=["small"], attempts=1
        )
    assert result.certificate.certified
    assert result.report.total("failed") == 0
    assert "isn't worth it" in result.explain()
    assert result.report.models["small"].rows == 0
    assert result.report.models["small"].calls < ROWS / 2


def test_log_probabilities_are_asked_of_the_middle_model_alone(whole, folder):
    told = whole.provenance().to_pylist()
    ledger = SqliteLedger.open(folder / "state")
    keys = {t["model"]: bytes.fromhex(t["request_key"]) for t in told if t["request_key"]}
    found = blocking(ledger.lookup(list(keys.values())))
    ledger.close()
    assert found[keys["small"]].logprob < 0
    assert found[keys["large"]].logprob is None


def test_rows_may_share_requests(ask):
    result = ask(accuracy=0.9, rows_per_call=5, **CASCADE)
    assert right(result) >= 0.9
    small = result.report.models["small"]
    assert small.calls < 0.4 * small.rows
    proxied = [t for t in result.provenance().to_pylist() if t["status"] == "proxied"]
    assert {t["model"] for t in proxied} == {"small"}


def test_an_estimate_says_what_it_may_take_beside(ask):
    found = ask(verb="estimate", accuracy=0.9, **CASCADE)
    assert found.middle.model == "small"
    assert found.middle.calls == found.calls_high
    assert 0 < found.middle.cost < found.cost / 10
    assert "small beside, where that saves money" in found.line()
    assert found.as_dict()["middle"]["model"] == "small"
    plain = ask(verb="estimate", accuracy=0.9, price_in=2.0, price_out=8.0)
    assert (plain.cost, plain.middle) == (found.cost, None)
    assert "middle" not in plain.as_dict()


NO_LEVEL = "no question here has a level"
REFUSED = [
    ({}, CASCADE, NO_LEVEL),
    ({"certify": True}, CASCADE | {"budget": "1usd"}, "cascade needs a level"),
    ({"accuracy": 0.9}, {"cascade": ["small"]}, "the price of 'large' is unknown; give price_in"),
    (
        {"accuracy": 0.9},
        {"cascade": ["small"], "price_in": 1, "price_out": 1},
        "'small' is unknown; give cascade_price_in",
    ),
    ({"accuracy": 0.9}, CASCADE | {"cascade": ["small", "tiny"]}, "names 2 models"),
    ({"accuracy": 0.9}, CASCADE | {"cascade": "large"}, "is the model itself"),
    ({"accuracy": 0.9}, CASCADE | {"cascade": [" "]}, "is empty"),
    ({"accuracy": 0.9}, PRICES, "name it with cascade"),
    ({"accuracy": 0.9}, CASCADE | {"cascade_price_in": -1}, "is no price"),
]


@pytest.mark.parametrize("verb", ["run", "estimate"])
@pytest.mark.parametrize(("demand", "options", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_makes_no_sense_is_refused_before_any_call(ask, model, verb, demand, options, words):
    before = model.stats()["requests"]
    with pytest.raises(InputError, match=words):
        ask(verb=verb, **demand, **options)
    assert model.stats()["requests"] == before


def test_estimates_and_sql_ask_no_middle_model(model, tmp_path):
    table = rowsight.read(TABLE, session=rowsight.Session(state=tmp_path))
    for asked in (table.share("Is {text} good?", calls=50), table.themes("{text}", accuracy=0.9)):
        with pytest.raises(InputError, match="estimates and themes ask no model between"):
            asked.run("large", base_url=model.base_url, **CASCADE)
    with pytest.raises(InputError, match="SQL asks no model between"):
        rowsight.connect(model="large", **CASCADE)
