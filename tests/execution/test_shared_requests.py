"""Rows that share requests: what they cost, what is found again, what one bad row does to the others."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from shop import QUESTION, UNSAYABLE, Shop, body, honest, late, open_shop, right

import rowsight
from rowsight import worlds
from rowsight.calls.ledger.admin import LedgerAdmin
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import InputError
from rowsight.plan.shared import unfence_rows
from rowsight.session import Session
from rowsight.surfaces.table import read

ROWS = 103


@pytest.fixture
def shop(tmp_path: Path):
    with open_shop(tmp_path) as opened:
        yield opened


def test_rows_share_requests_and_are_found_again_in_any_company(shop: Shop) -> None:
    first = shop.filter(shop.table(range(ROWS)), rows_per_call=5)
    assert right(first)
    assert first.report.calls == shop.requests == 21
    for again in (5, 7, 100):
        moved = shop.filter(shop.table([*range(50, ROWS), *range(50), 3, 3], "moved.jsonl"), rows_per_call=again)
        assert (moved.report.calls, moved.report.total("from_ledger"), right(moved)) == (0, ROWS + 2, True)
    grown = shop.filter(shop.table(range(ROWS + 7)), rows_per_call=5)
    assert (grown.report.calls, right(grown)) == (2, True)
    stats = LedgerAdmin(shop.state).stats()
    assert stats["answers"] == ROWS + 7
    assert stats["prompt_tokens"] == shop.server.stats()["prompt_tokens"]
    assert LedgerAdmin(shop.state).verify()["ok"]


def test_equal_rows_are_asked_once(shop: Shop) -> None:
    result = shop.filter(shop.table([n % 10 for n in range(60)]), rows_per_call=5)
    assert (result.report.calls, right(result), result.report.total("asked")) == (2, True, 60)


def test_an_answer_in_company_never_stands_for_one_alone(shop: Shop) -> None:
    table = shop.table(range(20))
    assert shop.filter(table, rows_per_call=10).report.calls == 2
    assert shop.filter(table).report.calls == 20
    assert shop.filter(shop.table(range(25)), rows_per_call=10).report.calls == 1


def test_every_operator_answers_as_it_does_alone(tmp_path: Path) -> None:
    table = worlds.generate("retail", "en", 40, seed=3)
    asked = worlds.questions("retail", "en")
    fields = json.dumps({"order": "A 7", "amount": 2.5})
    table = table.append_column("fields", pa.array([fields] * 40)).append_column("said", table["text"])
    truths = (
        Truth(asked.classify.truth, "- " + asked.labels[0]),
        Truth(asked.score.truth, "number from"),
        Truth("fields", "Fields:"),
        Truth("said", "summary"),
        Truth(asked.filter.truth),
    )
    verbs = [
        lambda t: t.filter(asked.filter.prompt, keep_all=True),
        lambda t: t.classify(asked.classify.prompt, asked.labels),
        lambda t: t.score(asked.score.prompt, range=(asked.low, asked.high)),
        lambda t: t.extract("What does {text} order?", {"order": "string", "amount": "number"}),
        lambda t: t.complete("Write a summary of {text}."),
    ]
    for rejecting in (False, True):
        config = SimulationConfig(text="text", truths=truths, reject_json_schema=rejecting)
        with SimulatedServer(config, table.to_batches()) as server:
            for number, verb in enumerate(verbs):
                read_in = read(table, session=Session(state=tmp_path / f"{rejecting}{number}"))
                alone, shared = (verb(read_in).run("sim", base_url=server.base_url, rows_per_call=n) for n in (1, 8))
                assert shared.to_arrow().equals(alone.to_arrow()), number
                assert shared.report.total("failed") == 0


class Keen:
    """A model that answers requests about several rows in its own way, and remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.rows = answer, []

    def __call__(self, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        del schema
        numbered = unfence_rows(messages[1]["content"])
        self.rows.append(len(numbered) or 1)
        return self.answer(numbered) if numbered else None


def test_what_is_valid_is_kept_and_the_rest_asked_alone(tmp_path: Path) -> None:
    model = Keen(lambda _rows: json.dumps({"1": late(0)}))  # without a schema the model says no more than this
    with open_shop(tmp_path, hook=model, reject_json_schema=True) as shop:
        result = shop.filter(shop.table(range(5)), rows_per_call=5, concurrency=1)
        assert result.report.total("failed") == 0
        stats = shop.server.stats()
        again = shop.filter(shop.table(range(5)), rows_per_call=5)
    assert model.rows.count(5) == 2
    assert model.rows.count(1) == 4
    assert (result.report.repairs, again.report.calls, shop.requests) == (1, 0, stats["requests"])


def test_one_refused_row_does_not_lose_the_others(tmp_path: Path) -> None:
    bad = body(7)
    model = lambda messages, _schema: UNSAYABLE if bad in messages[-1]["content"] else None  # noqa: E731
    with open_shop(tmp_path, hook=model) as shop:
        result = shop.filter(shop.table(range(20)), rows_per_call=10)
    assert honest(result)
    assert [r["id"] for r in result.to_arrow().to_pylist() if r["answer_status"] == "failed"] == [7]
    assert result.report.calls == 2 + 10


def test_rows_that_are_too_long_together_are_asked_alone(tmp_path: Path) -> None:
    with open_shop(tmp_path, window=210) as shop:
        result = shop.filter(shop.table(range(12)), rows_per_call=12)
    assert right(result)
    assert result.report.calls == 13


def test_long_rows_are_cut_alone_where_that_is_asked_for(tmp_path: Path) -> None:
    texts = ["short", "words " * 1500, "brief"]
    config = SimulationConfig(text="text", truths=(), hook=lambda _m, s: _yes(s), window=800)
    with SimulatedServer(config, {"text": ["x"]}) as server:
        asked = read(pa.table({"text": texts}), session=Session(state=tmp_path)).filter(
            "Is {text} long?", keep_all=True
        )
        result = asked.run("sim", base_url=server.base_url, rows_per_call=3, truncate=True)
        again = asked.run("sim", base_url=server.base_url, rows_per_call=3, truncate=True)
    assert result.report.total("asked") == again.report.total("asked") == 3
    assert again.report.calls == 0


def _yes(schema: Any) -> Any:
    return dict.fromkeys(schema["properties"], True)


@pytest.mark.parametrize("faults", [{}, {"rate_429": 0.1, "retry_after": 0.01, "rate_500": 0.1, "rate_malformed": 0.1}])
def test_a_budget_reserves_whole_requests_and_is_never_passed(tmp_path: Path, faults: dict[str, float]) -> None:
    with open_shop(tmp_path, **faults) as shop:
        result = shop.filter(shop.table(range(200)), rows_per_call=10, budget="12calls")
        assert honest(result)
        assert result.report.budget_spent
        assert shop.requests <= 12
        if not faults:
            assert (shop.requests, result.report.total("asked")) == (12, 120)
            assert result.report.to_finish["calls"] == 8
        rest = shop.filter(shop.table(range(200)), rows_per_call=10, attempts=20)
        assert honest(rest)
        assert rest.report.total("skipped") == 0
    assert LedgerAdmin(shop.state).verify()["ok"]


def test_faults_lose_no_row_and_bend_none(tmp_path: Path) -> None:
    faults = {"rate_malformed": 0.15, "rate_429": 0.05, "retry_after": 0.01, "rate_500": 0.05, "rate_refusal": 0.02}
    with open_shop(tmp_path, **faults) as shop:
        result = shop.filter(shop.table(range(400)), rows_per_call=5, attempts=12)
        assert honest(result)
        lost = result.report.total("failed")
        assert lost <= 30  # alone, a tenth of what is asked alone: malformed twice in a row, or refused
        assert (
            shop.filter(shop.table(range(400)), rows_per_call=5, attempts=12).report.total("from_ledger") == 400 - lost
        )


def test_a_killed_run_pays_only_what_was_in_flight(tmp_path: Path) -> None:
    with open_shop(tmp_path, latency_ms=100) as shop:
        table = shop.table(range(400))
        words = ("--rows-per-call", 5, "--concurrency", 8)
        process = shop.start(shop.asking(table, *words))
        while shop.server.stats()["answered"] < 24 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        before = shop.server.stats()
        code, out, _ = shop.call(shop.asking(table, *words))
        said = json.loads(out)
    assert (code, said["asked"], said["failed"]) == (0, 400, 0)
    assert said["from_ledger"] >= 5 * (before["answered"] - 2 * 8)
    assert said["calls"] == -(-(400 - said["from_ledger"]) // 5)


async def test_two_runs_at_once_pay_no_row_twice(tmp_path: Path) -> None:
    with open_shop(tmp_path, latency_ms=50) as shop:
        table = shop.table(range(100))

        async def run(size: int) -> Any:
            asked = read(table, session=Session(state=shop.state)).filter(QUESTION, keep_all=True)
            return await asked.arun("sim", base_url=shop.server.base_url, rows_per_call=size, concurrency=4)

        results = await asyncio.gather(run(5), run(8))
        assert all(right(r) for r in results)
        assert sum(r.report.calls for r in results) == shop.requests
        assert LedgerAdmin(shop.state).stats()["answers"] == 100
        assert shop.server.stats()["answered"] <= 20 + 13


def test_rows_whose_draw_proves_are_asked_alone(tmp_path: Path) -> None:
    table = worlds.generate("retail", "en", 2000, seed=5)
    asked = worlds.questions("retail", "en")
    together: list[int] = []
    single: set[str] = set()

    def listening(messages: list[dict[str, Any]], _schema: Any) -> None:
        rows = unfence_rows(messages[-1]["content"])
        together.append(len(rows))
        if not rows:
            single.add(messages[-1]["content"].removeprefix("<<<text\n").removesuffix("\ntext>>>"))

    config = SimulationConfig(text="text", truths=(Truth(asked.classify.truth),), hook=listening)
    with SimulatedServer(config, table.to_batches()) as server:
        session = Session(state=tmp_path)
        topics = rowsight.read(table, session=session).classify(asked.classify.prompt, asked.labels, accuracy=0.9)
        result = topics.run("sim", base_url=server.base_url, rows_per_call=8)
        again = topics.run("sim", base_url=server.base_url, rows_per_call=8)
    certificate = result.certificate
    assert certificate is not None
    assert certificate.certified
    assert max(together) == 8
    texts = [text for text in table["text"].to_pylist() if text]
    drawn = {texts[row] for pool in certificate.body["proof"]["pools"] for row in pool["rows"]}
    assert drawn <= single
    assert len(single) <= len(drawn) + 8
    assert result.report.calls < result.report.total("asked")
    assert again.report.calls == 0
    assert again.certificate.body["digest"] == certificate.body["digest"]
    truth = table[asked.classify.truth].to_pylist()
    answers = result.to_arrow()["answer"].to_pylist()
    assert sum(a == t for a, t in zip(answers, truth, strict=True)) >= 0.9 * len(truth)


def test_a_query_with_a_guarantee_says_that_it_asks_each_row_alone(shop: Shop) -> None:
    rows = pa.table({"id": list(range(30)), "body": [body(n) for n in range(30)]})
    given = {"base_url": shop.server.base_url, "rows_per_call": 5, "session": Session(state=shop.state)}
    con = rowsight.connect(model="sim", tables={"t": rows}, **given)
    assert len(con.sql("SELECT id FROM t WHERE AI_FILTER('Is it late?', body)")) == 10
    assert shop.requests <= 8
    with pytest.raises(InputError, match="rows_per_call"):
        con.sql("SELECT id FROM t WHERE AI_FILTER('Is it late?', body) WITH GUARANTEE (precision 0.9)")


def test_a_senseless_number_of_rows_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match="rows_per_call=0"):
        shop.filter(shop.table(range(3)), rows_per_call=0)


def test_rows_drawn_for_an_estimate_or_a_ranking_are_asked_alone(tmp_path: Path) -> None:
    numbered: list[int] = []

    def listening(messages: list[dict[str, Any]], _schema: Any) -> Any:
        numbered.append(len(unfence_rows(messages[-1]["content"])))
        return 5 if "number from" in messages[0]["content"] else None

    with open_shop(tmp_path, hook=listening) as shop:
        table = read(shop.table(range(120)), session=Session(state=shop.state))
        given = {"base_url": shop.server.base_url, "rows_per_call": 5}
        table.share(QUESTION, calls=40).run("sim", **given)
        table.rank("How late is {body}?", k=3, outside=0.3).run("sim", **given)
    assert len(numbered) > 40
    assert max(numbered) == 0
