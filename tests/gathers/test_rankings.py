"""Rankings from end to end over real HTTP: the first rows are found by few calls, and what is proved of the others holds."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import ColumnError, InputError
from rowsight.session import Session
from rowsight.surfaces.table import read

QUESTION = "How good is {text}?"


def goods(rows: int, seed: int = 0) -> pa.Table:
    """Rows of words; each word adds to how good a row is, and no word of the question says so."""
    rng = np.random.default_rng(seed)
    weights, words = rng.normal(0, 1, 60), rng.integers(0, 60, (rows, 8))
    truth = np.round(10 / (1 + np.exp(-weights[words].sum(axis=1) / 3)), 3)
    texts = [f"thing {n} " + " ".join(f"w{w}" for w in row) for n, row in enumerate(words)]
    return pa.table({"id": range(rows), "text": texts, "truth": truth})


def ranked(table: pa.Table, state: Path, *, hook: Any = None, k: int = 10, **given: Any) -> Any:
    config = {name: given.pop(name) for name in ("window", "rate_refusal") if name in given}
    options = {name: given.pop(name) for name in ("budget", "truncate", "seed") if name in given}
    simulated = SimulationConfig(text="text", truths=(Truth("truth"),), hook=hook, **config)
    with SimulatedServer(simulated, table.to_batches()) as server:
        source = read(table.drop_columns(["truth"]), session=Session(state=state, environment=dict(os.environ)))
        return source.rank(QUESTION, k, **given).run("sim", base_url=server.base_url, **options)


def ids(found: Any) -> list[int]:
    return found.to_arrow().column("id").to_pylist()


def test_the_first_rows_are_found_by_few_calls(tmp_path: Path) -> None:
    table = goods(1500)
    found = ranked(table, tmp_path)
    best = np.argsort(-table.column("truth").to_numpy(), kind="stable")[:10].tolist()
    assert len(set(ids(found)) & set(best)) >= 9
    assert ids(found) == sorted(ids(found), key=lambda n: -table.column("truth")[n].as_py())
    assert found.to_arrow().column("rank").to_pylist() == list(range(1, 11))
    assert found.report.calls <= 20
    assert found.ranking.graded <= 300
    assert found.report.total("asked") + found.report.total("proxied") == 1500
    assert any("nothing is promised" in note for note in found.report.notes)


def test_a_second_run_and_a_shuffled_table_pay_nothing(tmp_path: Path) -> None:
    table = goods(200)
    order = list(range(200))
    random.Random(5).shuffle(order)
    first = ranked(table, tmp_path, k=5)
    again = ranked(table, tmp_path, k=5)
    shuffled = ranked(table.take(pa.array(order)), tmp_path, k=5)
    assert (again.report.calls, shuffled.report.calls) == (0, 0)
    assert ids(again) == ids(shuffled) == ids(first)


def test_what_is_proved_of_the_others_is_true(tmp_path: Path) -> None:
    table = goods(600, seed=2)
    found = ranked(table, tmp_path, outside=0.05)
    scores = table.column("truth").to_numpy()
    outside = np.setdiff1d(np.arange(600), ids(found))
    assert found.outside.certified
    assert (scores[outside] > found.outside.bar).sum() <= found.outside.at_most <= 0.05 * 590
    assert "no sample can show it" in found.outside.statement
    again = ranked(table, tmp_path, outside=0.05)
    assert again.outside == found.outside
    assert again.report.calls == 0
    other = ranked(table, tmp_path, outside=0.05, seed=4)
    assert other.outside.attempt == 2


def test_equal_rows_follow_one_another_and_are_graded_once(tmp_path: Path) -> None:
    table = goods(30)
    best = int(np.argmax(table.column("truth").to_numpy()))
    twice = pa.concat_tables([table, table.slice(best, 1)])
    found = ranked(twice, tmp_path, k=3)
    rows = found.to_arrow().to_pylist()
    assert [r["id"] for r in rows][:2] == [best, best]
    assert found.ranking.rows == 31


@pytest.mark.parametrize(("rows", "k"), [(0, 3), (1, 3), (4, 9)])
def test_small_tables_give_the_rows_there_are(tmp_path: Path, rows: int, k: int) -> None:
    table = goods(max(rows, 1)).slice(0, rows)
    found = ranked(pa.concat_tables([table, goods(1).slice(0, 0)]), tmp_path, k=k, outside=0.1)
    assert len(found) == rows


def test_all_equal_null_and_empty_rows(tmp_path: Path) -> None:
    table = pa.table({"id": range(6), "text": ["same", "same", None, "", "same", "same"], "truth": [1.0] * 6})
    found = ranked(table, tmp_path, k=2)
    assert ids(found) == [0, 1]
    assert (found.report.total("null"), found.report.calls) == (2, 1)


def test_rows_longer_than_the_window_fail_or_are_cut(tmp_path: Path) -> None:
    table = goods(12)
    long = table.set_column(1, "text", pa.array([*table.column("text").to_pylist()[:-1], "long words " * 600]))
    failed = ranked(long, tmp_path, k=3, window=900)
    assert failed.report.failures == {"too_long": 1}
    assert len(failed) == 3
    cut = ranked(long, tmp_path, k=12, window=900, truncate=True)
    assert not cut.report.failures
    assert len(cut) == 12


def test_a_budget_ends_the_rounds_and_says_so(tmp_path: Path) -> None:
    found = ranked(goods(800), tmp_path, budget="3calls")
    assert found.report.calls == 3
    assert found.report.budget_spent
    assert len(found) == 10


def test_an_invalid_order_is_repaired_or_left_to_the_grades(tmp_path: Path) -> None:
    def hook(messages: list[dict[str, Any]], schema: dict[str, Any]) -> Any:
        return {"ranking": ["r1", "r1"]} if "ranking" in schema["properties"] else None

    table = goods(15)
    found = ranked(table, tmp_path, hook=hook, k=4)
    assert ids(found) == np.argsort(-table.column("truth").to_numpy(), kind="stable")[:4].tolist()
    assert any("could not be put in order" in note for note in found.report.notes)


def test_bad_input_is_told_before_anything_is_asked() -> None:
    table = read(goods(3))
    with pytest.raises(InputError, match="the first 0 rows are none"):
        table.rank(QUESTION, 0)
    with pytest.raises(InputError, match="outside=2 is no share"):
        table.rank(QUESTION, outside=2)
    with pytest.raises(ColumnError, match="already"):
        table.rank(QUESTION, into="id")
    with pytest.raises(ColumnError, match="did you mean 'text'"):
        table.rank("How good is {txt}?")
