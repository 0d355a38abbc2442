"""Runs from end to end over real HTTP: what is paid again, what is kept, what a failure leaves, what a budget bears."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from shop import QUESTION, UNSAYABLE, Shop, body, honest, late, open_shop, right

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import BudgetError, EndpointError, FailedRowsError, InputError
from rowsight.session import Session
from rowsight.surfaces.table import read

ROWS = 150


@pytest.fixture
def shop(tmp_path: Path):
    with open_shop(tmp_path) as opened:
        yield opened


class Mood:
    """The hook of a model that refuses some rows until it is healed."""

    def __init__(self, refused: set[int]) -> None:
        self.refused = {body(n) for n in refused}

    def __call__(self, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        del schema
        return UNSAYABLE if any(text in messages[-1]["content"] for text in self.refused) else None


def test_the_same_run_again_pays_nothing_and_gives_the_same(shop: Shop) -> None:
    table = shop.table(range(ROWS))
    first = shop.filter(table)
    assert right(first)
    assert (first.report.calls, shop.requests) == (ROWS, ROWS)
    second = shop.filter(table)
    assert second.to_arrow().equals(first.to_arrow())
    assert (second.report.calls, shop.requests, second.report.total("from_ledger")) == (0, ROWS, ROWS)
    assert second.report.total("asked") == ROWS


def test_appended_and_edited_rows_alone_are_paid(shop: Shop) -> None:
    shop.filter(shop.table(range(ROWS)))
    edited = [n if n not in (3, 7, 11) else n + 200 for n in range(ROWS)]
    result = shop.filter(shop.table([*edited, *range(300, 320)]))
    assert right(result)
    assert result.report.calls == shop.requests - ROWS == 23


def test_moved_and_repeated_rows_are_not_paid(shop: Shop) -> None:
    shop.filter(shop.table(range(ROWS)))
    result = shop.filter(shop.table([*reversed(range(ROWS)), *range(40), 200, 200, 200], "moved.jsonl"))
    assert right(result)
    assert (result.report.calls, result.report.total("asked")) == (1, ROWS + 43)


@pytest.mark.parametrize(
    "change",
    [
        {"question": "Is {body} too late?"},
        {"model": "sim-2"},
        {"max_tokens": 300},
    ],
    ids=str,
)
def test_a_changed_question_model_or_sampling_asks_again(shop: Shop, change: dict[str, Any]) -> None:
    table = shop.table(range(30))
    shop.filter(table)
    result = shop.filter(table, **change)
    assert (result.report.calls, result.report.total("from_ledger"), shop.requests) == (30, 0, 60)


def test_a_changed_answer_schema_asks_again(shop: Shop) -> None:
    table, options = shop.table(range(30)), {"model": "sim", "base_url": shop.server.base_url}
    labels = ["true", "false"], ["true", "false", "maybe"]
    for names in labels:
        asked = read(table, session=Session(state=shop.state)).classify(QUESTION, names)
        assert asked.run(**options).report.calls == 30


def test_another_endpoint_key_or_pace_does_not_ask_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    table = shop.table(range(30))
    shop.filter(table)
    monkeypatch.setenv("OTHER_KEY", "sk-another-key")
    elsewhere = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "OTHER_KEY"}
    result = shop.filter(
        table, **elsewhere, concurrency=3, timeout=5.0, attempts=2, price_in=1.0, price_out=1.0, seed=9
    )
    assert right(result)
    assert (result.report.calls, result.report.total("from_ledger"), shop.requests) == (0, 30, 30)


def test_failures_are_asked_again_by_a_rerun_and_only_they(tmp_path: Path) -> None:
    mood = Mood({0, 10, 20, 30})
    with open_shop(tmp_path, hook=mood) as shop:
        table = shop.table([*range(50), 10, 10])
        first = shop.filter(table)
        assert first.report.failures == Counter(refused=6)
        assert (first.report.total("asked"), shop.requests) == (46, 50)
        assert first.failures.column("row").to_pylist() == [0, 10, 20, 30, 50, 51]
        again = shop.filter(table)
        assert (again.report.calls, again.report.failures) == (4, Counter(refused=6))
        mood.refused = set()
        healed = shop.filter(table)
        assert right(healed)
        assert (healed.report.calls, healed.report.total("failed"), shop.requests) == (4, 0, 58)
        assert shop.filter(table).report.calls == 0


def test_a_failed_row_is_null_with_its_status_never_false(tmp_path: Path) -> None:
    with open_shop(tmp_path, hook=Mood({1, 2})) as shop:
        rows = shop.filter(shop.table(range(4))).to_arrow().to_pylist()
    assert [(r["answer"], r["answer_status"]) for r in rows] == [
        (True, "asked"),
        (None, "failed"),
        (None, "failed"),
        (True, "asked"),
    ]


def test_raising_on_failure_keeps_everything(tmp_path: Path) -> None:
    mood = Mood({5})
    with open_shop(tmp_path, hook=mood) as shop:
        table = shop.table(range(40))
        with pytest.raises(FailedRowsError, match=r"1 rows failed \(refused 1\); every answer is kept") as raised:
            shop.filter(table, on_failure="raise")
        rows = raised.value.result.to_arrow().to_pylist()
        assert [r["id"] for r in rows if r["answer_status"] != "asked"] == [5]
        assert raised.value.result.unjudged()["id"].to_pylist() == [5]
        mood.refused = set()
        result = shop.filter(table, on_failure="raise")
        assert right(result)
        assert (result.report.calls, result.report.total("from_ledger")) == (1, 39)


def test_rows_that_could_not_be_judged_go_to_a_second_output(tmp_path: Path) -> None:
    with open_shop(tmp_path, hook=Mood({3, 8})) as shop:
        out, unjudged = tmp_path / "kept.jsonl", tmp_path / "unjudged.jsonl"
        command = [
            w for w in shop.asking(shop.table(range(12)), "--out", out, "--unjudged", unjudged) if w != "--keep-all"
        ]
        status, said, _ = shop.call(command)
    report = json.loads(said)
    assert (status, report["failed"], report["kept"], report["failures"]) == (0, 2, 3, {"refused": 2})
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [0, 6, 9]
    kept = [json.loads(line) for line in unjudged.read_text().splitlines()]
    assert [(r["id"], r["body"], r["answer_status"], r["answer_reason"]) for r in kept] == [
        (3, body(3), "failed", "refused"),
        (8, body(8), "failed", "refused"),
    ]


def test_a_run_that_ends_with_an_error_for_its_failed_rows_writes_all_its_files(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.jsonl" for name in ("out", "unjudged", "provenance")}
    with open_shop(tmp_path, hook=Mood({3})) as shop:
        named = [word for name, path in files.items() for word in (f"--{name}", path)]
        status, said, complaint = shop.call(shop.asking(shop.table(range(6)), "--on-failure", "raise", *named))
    assert (status, said) == (2, "")
    assert complaint.startswith("rowsight: 1 rows failed (refused 1); every answer is kept")
    out, unjudged, provenance = ([json.loads(line) for line in p.read_text().splitlines()] for p in files.values())
    assert [(r["id"], r["answer"]) for r in out] == [(n, None if n == 3 else late(n)) for n in range(6)]
    assert [r["id"] for r in unjudged] == [3]
    assert [r["row"] for r in provenance if r["status"] == "failed"] == [3]


PRICES = {"price_in": 1.0, "price_out": 5.0}


@pytest.mark.parametrize("faults", [{}, {"rate_500": 0.2, "rate_429": 0.1, "rate_malformed": 0.1, "retry_after": 0.01}])
@pytest.mark.parametrize(
    ("budget", "more"), [("70calls", "1000calls"), ("12ktokens", "1Mtokens"), ("0.018usd", "9usd")]
)
def test_a_budget_is_never_passed_and_what_it_leaves_is_said(
    tmp_path: Path, budget: str, more: str, faults: dict[str, float]
) -> None:
    with open_shop(tmp_path, latency_ms=2.0, latency_sigma=1.0, **faults) as shop:
        table = shop.table(range(ROWS))
        result = shop.filter(table, budget=budget, **PRICES)
        report, stats = result.report, shop.server.stats()
        answered = report.total("asked")
        assert report.budget_spent
        assert _used(stats, budget) <= _limit(budget)
        assert 0 < answered < ROWS
        assert answered + report.total("skipped") + report.total("failed") == ROWS
        assert report.to_finish is not None
        assert report.to_finish["calls"] >= report.total("skipped")
        assert all(s in ("asked", "skipped", "failed") for s in result.to_arrow().column("answer_status").to_pylist())
        rest = shop.filter(table, budget=more, **PRICES, attempts=20)
        assert honest(rest)
        assert rest.report.total("from_ledger") == answered


@pytest.mark.parametrize(("budget", "together"), [("36ktokens", 1), ("0.04usd", 1), ("0.02usd", 4)])
def test_a_budget_is_used_up_to_the_worst_case_of_one_request(tmp_path: Path, budget: str, together: int) -> None:
    """Worst cases are many times what calls cost, and calls come back at once: what they give back is spent, too."""
    with open_shop(tmp_path) as shop:
        table = shop.table(range(4 * ROWS))
        result = shop.filter(table, budget=budget, **PRICES, max_tokens=1024, rows_per_call=together)
        used, limit = _used(shop.server.stats(), budget), _limit(budget)
    assert result.report.budget_spent
    assert 0.6 * limit < used <= limit


def _used(stats: dict[str, Any], budget: str) -> float:
    tokens_in, tokens_out = stats["prompt_tokens"], stats["completion_tokens"]
    if budget.endswith("calls"):
        return float(stats["requests"])
    if budget.endswith("tokens"):
        return float(tokens_in + tokens_out)
    return (tokens_in * PRICES["price_in"] + tokens_out * PRICES["price_out"]) / 1e6


def _limit(budget: str) -> float:
    return {"70calls": 70, "12ktokens": 12e3, "36ktokens": 36e3, "0.018usd": 0.018, "0.02usd": 0.02, "0.04usd": 0.04}[
        budget
    ]


def test_a_money_budget_without_a_price_is_refused_before_anything_is_asked(shop: Shop) -> None:
    with pytest.raises(InputError, match="the price of 'sim' is unknown"):
        shop.filter(shop.table(range(5)), budget="1usd")
    assert shop.requests == 0


def test_a_spent_budget_raises_where_that_was_asked_for(shop: Shop) -> None:
    with pytest.raises(BudgetError, match="with 20 rows to go; every answer is kept") as raised:
        shop.filter(shop.table(range(30)), budget="10calls", on_failure="raise")
    assert len(raised.value.result.unjudged()) == 20


def test_a_spent_budget_ends_with_3_and_a_resumed_run_keeps_to_its_account(shop: Shop) -> None:
    table, out = shop.table(range(100)), shop.directory / "out.jsonl"
    status, said, _ = shop.call(shop.asking(table, "--budget", "40calls", "--out", out))
    report = json.loads(said)
    assert (status, report["asked"], report["skipped"], report["calls"]) == (3, 40, 60, 40)
    assert report["to_finish"]["calls"] == 60
    assert Counter(json.loads(line)["answer_status"] for line in out.read_text().splitlines()) == {
        "asked": 40,
        "skipped": 60,
    }
    status, said, _ = shop.call(shop.command("resume", report["run"]))
    assert (status, json.loads(said)["calls"], shop.requests) == (3, 0, 40)
    status, said, _ = shop.call(shop.command("resume", report["run"], "--budget", "70calls"))
    assert (status, json.loads(said)["calls"], shop.requests) == (3, 30, 70)
    status, said, _ = shop.call(shop.command("resume", report["run"], "--budget", "100calls"))
    assert (status, json.loads(said)["calls"], shop.requests) == (0, 30, 100)
    assert [json.loads(line)["answer"] for line in out.read_text().splitlines()] == [late(n) for n in range(100)]


def test_two_processes_of_one_run_share_its_budget(tmp_path: Path) -> None:
    with open_shop(tmp_path, latency_ms=10.0, rate_500=0.1) as shop:
        table = shop.table(range(300))
        first = shop.start(shop.asking(table, "--budget", "150calls", "--concurrency", "8"))
        _wait(lambda: shop.requests >= 20)
        first.kill()
        first.communicate()
        (run,) = json.loads(shop.call(shop.command("runs"))[1])["runs"]
        assert run["status"] == "interrupted"
        both = [shop.start(shop.command("resume", run["run"])) for _ in range(2)]
        ends = [(process.communicate(timeout=60), process.returncode) for process in both]
        assert [status for _, status in ends] == [3, 3], ends
        assert shop.requests <= 150
        (run,) = json.loads(shop.call(shop.command("runs"))[1])["runs"]
        assert shop.requests <= run["spent"]["calls"] <= 150


def test_ctrl_c_ends_with_130_and_keeps_the_answers(tmp_path: Path) -> None:
    with open_shop(
        tmp_path, 600, latency_ms=100.0
    ) as shop:  # far from its end when it is stopped, on a busy machine too
        table, out = shop.table(range(600)), tmp_path / "out.jsonl"
        process = shop.start(shop.asking(table, "--concurrency", "4", "--budget", "550calls", "--out", out))
        _wait(lambda: shop.requests >= 40)
        process.send_signal(signal.SIGINT)
        said, words = process.communicate(timeout=60)
        assert (process.returncode, said, words.strip().count("\n")) == (130, "", 0), words
        assert "every answer is kept" in words
        assert not out.exists()
        asked = shop.requests
        (run,) = json.loads(shop.call(shop.command("runs"))[1])["runs"]
        assert run["status"] == "interrupted"
        assert asked <= run["spent"]["calls"] <= asked + 4  # a call may be stopped just before it reaches the server
        status, said, _ = shop.call(shop.asking(table, "--out", out, "--concurrency", "64"))
        report = json.loads(said)
        assert (status, report["asked"], report["failed"]) == (0, 600, 0)
        assert report["from_ledger"] >= asked - 4
        assert shop.requests <= 600 + 4


def _wait(condition: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the run did not get going"
        time.sleep(0.01)


def _endpoints(path: Path, *, allowed: bool, down: str, up: str) -> Path:
    path.write_text(
        f"""
        [models.sim]
        substitutes = ["spare"]
        allow_substitution = {str(allowed).lower()}
        [[models.sim.endpoints]]
        name = "main"
        base_url = "{down}"
        [models.spare]
        [[models.spare.endpoints]]
        name = "second"
        base_url = "{up}"
        """,
        encoding="utf-8",
    )
    return path


def test_another_model_answers_only_where_that_is_allowed_and_the_provenance_says_so(shop: Shop) -> None:
    down, up = "http://127.0.0.1:9/v1", shop.server.base_url
    table = shop.table(range(20))
    refused = _endpoints(shop.directory / "no.toml", allowed=False, down=down, up=up)
    with pytest.raises(EndpointError, match="'main' is unreachable"):
        shop.filter(table, endpoints=refused, base_url=None)
    assert shop.requests == 0
    allowed = _endpoints(shop.directory / "yes.toml", allowed=True, down=down, up=up)
    result = shop.filter(table, endpoints=allowed, base_url=None)
    assert right(result)
    found = result.provenance()
    assert set(found.column("model").to_pylist()) == {"spare"}
    assert set(found.column("endpoint").to_pylist()) == {"second"}


def test_the_timeout_given_is_that_of_endpoints_without_their_own(tmp_path: Path) -> None:
    with open_shop(tmp_path, rate_hang=1.0) as shop:
        url = shop.server.base_url
        path = tmp_path / "endpoints.toml"
        path.write_text(f'[models.sim]\nendpoints = [{{name = "silent", base_url = "{url}"}}]', encoding="utf-8")
        result = shop.filter(shop.table([1]), endpoints=path, base_url=None, timeout=0.2, attempts=1)
    assert result.report.failures == Counter(timeout=1)


def test_a_dearer_substitute_keeps_to_the_budget(shop: Shop) -> None:
    path = shop.directory / "dear.toml"
    path.write_text(
        f"""
        [models.sim]
        substitutes = ["spare"]
        allow_substitution = true
        endpoints = [{{name = "main", base_url = "http://127.0.0.1:9/v1", price_in = 0.1, price_out = 0.1}}]
        [models.spare]
        endpoints = [{{name = "second", base_url = "{shop.server.base_url}", price_in = 100.0, price_out = 100.0}}]
        """,
        encoding="utf-8",
    )
    shop.filter(shop.table(range(ROWS)), endpoints=path, base_url=None, budget="1usd")
    stats = shop.server.stats()
    assert 0 < (stats["prompt_tokens"] + stats["completion_tokens"]) * 100 / 1e6 <= 1.0


def test_provenance_names_where_each_answer_comes_from(tmp_path: Path) -> None:
    with open_shop(tmp_path, hook=Mood({2})) as shop:
        before = time.time()
        path = tmp_path / "provenance.parquet"
        status, _, _ = shop.call(
            shop.asking(
                shop.table([0, 1, 2, 0]), "--provenance", path, "--price-in", 1, "--price-out", 2, "--into", "late"
            )
        )
        assert status == 0
        found = pq.read_table(path)
        host = shop.server.base_url.removeprefix("http://").removesuffix("/v1")
    assert found.column("row").to_pylist() == [0, 1, 2, 3]
    assert found.column("column").to_pylist() == ["late"] * 4
    assert found.column("status").to_pylist() == ["asked", "asked", "failed", "asked"]
    assert found.column("reason").to_pylist() == [None, None, "refused", None]
    assert found.column("model").to_pylist() == ["sim", "sim", None, "sim"]
    assert found.column("endpoint").to_pylist() == [host, host, None, host]
    keys = found.column("request_key").to_pylist()
    assert keys[0] == keys[3] != keys[1]
    assert all(len(key) == 64 for key in keys)
    assert before <= pc.min(found.column("at")).as_py().timestamp() <= time.time()
    row = found.to_pylist()[0]
    assert row["cost"] == pytest.approx((row["prompt_tokens"] + 2 * row["completion_tokens"]) / 1e6)


def test_an_unknown_price_is_unknown_in_the_report_and_the_provenance(shop: Shop) -> None:
    result = shop.filter(shop.table(range(3)))
    assert result.report.as_dict()["cost"] is None
    assert result.provenance().column("cost").to_pylist() == [None] * 3


KEY = "sk-planted-3f9a1c77e5"


@pytest.mark.parametrize("fate", [{}, {"rate_500": 1.0}, {"require_key": "another"}, {"rate_malformed": 1.0}], ids=str)
def test_a_key_is_nowhere_in_what_a_run_leaves(tmp_path: Path, fate: dict[str, Any]) -> None:
    with open_shop(tmp_path, **fate) as shop:
        outputs = [
            "--out",
            tmp_path / "o.jsonl",
            "--unjudged",
            tmp_path / "u.jsonl",
            "--provenance",
            tmp_path / "p.jsonl",
        ]
        table = shop.table(range(6))
        command = shop.asking(table, *outputs, "--attempts", 2, "--store-prompts")
        said = [str(part) for part in shop.call(command, OPENAI_API_KEY=KEY)]
        exported = tmp_path / "exported.jsonl"
        for words in (("runs",), ("ledger", "stats"), ("ledger", "export", exported)):
            said += [str(part) for part in shop.call(shop.command(*words), OPENAI_API_KEY=KEY)]
        assert shop.requests > 0
    assert not any(KEY in words for words in said), said
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert exported in left
    assert not [path for path in left if KEY.encode() in path.read_bytes()]


def test_a_key_that_a_server_echoes_is_not_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback of Python shows what the error says and what the objects are called."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    session = Session(state=shop.state)
    asked = read(shop.table(range(3)), session=session).filter(QUESTION)
    with pytest.raises(InputError) as caught:
        asked.run("sim", base_url=f"http://user:{KEY}@127.0.0.1:9/v1")
    assert KEY not in repr(caught.value)
    assert KEY not in repr(session)
    assert KEY not in repr(asked.run("sim", base_url=shop.server.base_url))


def test_a_server_that_comes_back_finishes_the_run(tmp_path: Path) -> None:
    known = {"body": [body(n) for n in range(ROWS)], "late": [late(n) for n in range(ROWS)]}
    config = SimulationConfig(text="body", truths=(Truth("late"),), latency_ms=10.0)
    with SimulatedServer(config, known) as server:
        shop = Shop(tmp_path, server)
        process = shop.start(shop.asking(shop.table(range(ROWS)), "--concurrency", "4"))
        _wait(lambda: shop.requests >= 20)
        server.stop()
        time.sleep(0.5)
        server.config = SimulationConfig(text="body", truths=(Truth("late"),), port=server.port)
        server.start()
        said, _ = process.communicate(timeout=60)
    report = json.loads(said)
    assert (process.returncode, report["asked"], report["failed"]) == (0, ROWS, 0)
