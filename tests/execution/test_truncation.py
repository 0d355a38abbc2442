"""Rows longer than the model's window: they fail with that reason, or are cut until they fit where that is asked for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rowsight.calls.simulated import SimulatedServer, SimulationConfig
from rowsight.execution.truncation import MOST_CUTS, SHORTEST, versions
from rowsight.session import Session
from rowsight.surfaces.table import read

VALUES = st.lists(st.one_of(st.none(), st.text(max_size=400)), min_size=1, max_size=4).map(tuple)


@given(VALUES)
def test_each_version_is_the_one_before_with_its_longest_value_halved(values):
    found = versions(values)
    assert found[0] == values
    assert len(found) <= MOST_CUTS + 1
    for before, after in itertools.pairwise(found):
        changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
        assert changed == [(max((v or "" for v in before), key=len), changed[0][1])]
        assert changed[0][1] == changed[0][0][: len(changed[0][0]) // 2]
        assert len(changed[0][1]) >= SHORTEST


def server(**more) -> SimulatedServer:
    config = SimulationConfig(text="text", truths=(), hook=lambda _messages, _schema: {"answer": True}, **more)
    return SimulatedServer(config, pa.table({"text": ["x"]}).to_batches())


def rows() -> pa.Table:
    texts = ["short", "long words " * 400, None, "long words " * 400, "longer " * 5000]
    return pa.table({"n": list(range(5)), "text": texts})


def test_a_row_longer_than_the_window_fails_with_that_reason(tmp_path: Path):
    with server(window=800) as model:
        asked = read(rows(), session=Session(state=tmp_path)).filter("Is {text} long?", keep_all=True)
        result = asked.run("sim", base_url=model.base_url)
    assert result.to_arrow().column("answer_status").to_pylist() == ["asked", "failed", "null", "failed", "failed"]
    assert result.report.failures == {"too_long": 3}


def test_truncation_cuts_such_rows_until_they_fit_and_pays_them_once(tmp_path: Path):
    with server(window=800) as model:
        asked = read(rows(), session=Session(state=tmp_path)).filter("Is {text} long?", keep_all=True)
        result = asked.run("sim", base_url=model.base_url, truncate=True)
        again = asked.run("sim", base_url=model.base_url, truncate=True)
    assert result.to_arrow().column("answer_status").to_pylist() == ["asked", "asked", "null", "asked", "asked"]
    for report in (result.report, again.report):
        assert [n for n in report.notes if "truncate" in n] == [
            "2 distinct rows were longer than the model's window: cut until they fitted, then asked (truncate)"
        ]
    assert result.report.failures == {}
    assert (again.report.calls, again.report.total("from_ledger")) == (0, 4)
    assert again.to_arrow().equals(result.to_arrow())


def test_a_window_that_holds_no_row_at_all_is_a_failure_still(tmp_path: Path):
    with server(window=10) as model:
        asked = read(rows(), session=Session(state=tmp_path)).filter("Is {text} long?", keep_all=True)
        result = asked.run("sim", base_url=model.base_url, truncate=True)
    assert result.report.failures == {"too_long": 4}
    assert result.report.notes == []
