import json
import stat
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from ledger_support import answer, failure, key

from rowsight.calls.budget import Amounts
from rowsight.calls.ledger import SqliteLedger
from rowsight.calls.ledger.admin import LedgerAdmin
from rowsight.core.errors import InputError, OutputError

ONE = Amounts(1, 100, 50)


@pytest.fixture
async def admin(tmp_path):
    ledger = SqliteLedger.open(tmp_path, store_prompts=True)
    await ledger.begin_run("20260101-old", {"command": "filter"})
    await ledger.begin_run("20260202-new", {"command": "score"})
    for i, run in enumerate(["20260101-old", "20260101-old", "20260202-new"]):
        await ledger.claim(run, key(i), ONE, f"row {i}")
        other = replace(answer(i, at=1000.0 + i), model=f"sim-{i}", cost=None if i == 2 else 0.25)
        await ledger.settle(run, key(i), other, ONE)
    await ledger.claim("20260202-new", key("f"), ONE, "a row that fails")
    await ledger.settle("20260202-new", key("f"), failure("refused"), ONE)
    await ledger.next_attempt("20260101-old", b"subject")
    await ledger.end_run("20260101-old", "done", {"rows": 2})
    ledger.close()
    return LedgerAdmin(tmp_path)


async def test_stats(admin):
    stats = admin.stats()
    assert stats.pop("bytes") > 4096
    assert stats.pop("path") == str(admin.path)
    assert stats == {
        "runs": 2,
        "answers": 3,
        "failures": 1,
        "in_flight": 0,
        "prompts": 4,
        "prompt_tokens": 30,
        "completion_tokens": 6,
        "cost": 0.5,
        "cost_unknown": 1,
        "models": {"sim-0": 1, "sim-1": 1, "sim-2": 1},
        "reasons": {"refused": 1},
    }


async def test_runs_and_one_run(admin):
    assert [(r.id, r.status) for r in admin.runs()] == [("20260202-new", "interrupted"), ("20260101-old", "done")]
    assert admin.run("20260101").report == {"rows": 2}
    with pytest.raises(InputError, match="did you mean '20260202-new'"):
        admin.run("20260202-now")
    with pytest.raises(InputError, match="no run '2026'"):
        admin.run("2026")


@pytest.mark.parametrize(
    ("conditions", "gone", "answers", "failures"),
    [
        ({"run": "20260101-old"}, 2, {2}, 1),
        ({"run": "20260202-new"}, 2, {0, 1}, 0),
        ({"run": "20260202-new", "failures_only": True}, 1, {0, 1, 2}, 0),
        ({"model": "sim-1"}, 1, {0, 2}, 1),
        ({"before": 1001.0}, 1, {1, 2}, 1),
        ({"before": 1001.5, "run": "20260101-old"}, 2, {2}, 1),
        ({"failures_only": True}, 1, {0, 1, 2}, 0),
        ({}, 4, set(), 0),
    ],
)
async def test_forgetting(admin, conditions, gone, answers, failures):
    assert admin.forget(**conditions) == gone
    ledger = SqliteLedger.open(admin.path.parent)
    assert set(await ledger.lookup([key(i) for i in range(3)])) == {key(i) for i in answers}
    assert len(await ledger.certificates(b"subject")) == 1
    assert (await ledger.account("20260101-old")).spent.calls == 2
    ledger.close()
    stats = admin.stats()
    assert (stats["failures"], stats["prompts"]) == (failures, len(answers) + failures)


async def test_what_is_forgotten_is_not_in_the_file(admin):
    admin.forget(run="20260202-new")
    assert b"a row that fails" not in b"".join(p.read_bytes() for p in admin.path.parent.iterdir())


@pytest.mark.parametrize("name", ["all.jsonl", "all.parquet"])
async def test_exporting(admin, tmp_path, name):
    path = tmp_path / name
    assert admin.export(path) == {"answers": 3, "failures": 1, "gaps": 0}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    by_key = {row["key"]: row for row in rows}
    assert by_key[key(1).hex()]["text"] == "1"
    assert by_key[key(1).hex()]["prompt"] == "row 1"
    assert by_key[key(2).hex()]["cost"] is None
    failed = by_key[key("f").hex()]
    assert (failed["status"], failed["reason"], failed["run"]) == ("failed", "refused", "20260202-new")
    assert not list(tmp_path.glob("*.part"))


async def test_exporting_to_what_is_no_file(admin, tmp_path):
    with pytest.raises(OutputError, match=r"\.jsonl"):
        admin.export(tmp_path / "all.csv")
    with pytest.raises(OutputError, match=r"missing/all\.jsonl can't be written"):
        admin.export(tmp_path / "missing" / "all.jsonl")


async def test_prompts_are_kept_only_where_asked_for(tmp_path):
    ledger = SqliteLedger.open(tmp_path)
    await ledger.begin_run("run", {})
    await ledger.claim("run", key(1), ONE, "a private row")
    await ledger.settle("run", key(1), answer(), ONE)
    ledger.close()
    assert b"a private row" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
