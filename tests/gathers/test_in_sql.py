"""Summaries and rankings in SQL, over real HTTP."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from lying_model import LyingModel
from test_rankings import goods
from test_summaries import asked, facts

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.plan.sql.place import SqlError
from rowsight.session import Session


def connection(state: Path, server: SimulatedServer, **tables: Any) -> rowsight.Connection:
    session = Session(state=state, environment=dict(os.environ))
    return rowsight.connect(tables=tables, session=session, model="sim", base_url=server.base_url)


def test_ai_agg_summarises_each_group_once(tmp_path: Path) -> None:
    query = "SELECT region, count(*), AI_AGG(text, 'Which facts?') AS said FROM t GROUP BY region ORDER BY region"
    with asked(LyingModel(invents=1.0)) as server:
        con = connection(tmp_path, server, t=facts(40))
        found = con.sql(query)
        paid = server.stats()["requests"]
        assert found.report.calls == paid == 4
        again = con.sql(f"SELECT said FROM ({query}) AS q WHERE region = 'n'")
        assert server.stats()["requests"] == paid
    rows = found.fetchall()
    assert [row[:2] for row in rows] == [("n", 20), ("s", 20)]
    assert [sorted(row[2].split()) for row in rows] == [["fact-1", "fact-3", "fact-5"], ["fact-0", "fact-2", "fact-4"]]
    assert again.fetchall() == [(rows[0][2],)]
    dropped = re.findall(r"dropped: (\d+) sentences that no row supports", "\n".join(found.report.notes))
    assert sum(map(int, dropped)) == 2, "the groups may come in one batch or in two"


def test_a_group_without_texts_is_null_and_a_failed_one_is_told(tmp_path: Path) -> None:
    table = pa.table({"region": ["n", "s", "s"], "text": [None, "fact-1", ""]})
    with asked(LyingModel(), rate_refusal=1.0) as server:
        found = connection(tmp_path, server, t=table).sql(
            "SELECT region, AI_SUMMARIZE_AGG(text) FROM t GROUP BY ALL ORDER BY 1"
        )
    assert found.fetchall() == [("n", None), ("s", None)]
    assert any("1 rows of leaf 1 not covered: refused" in note for note in found.report.notes)
    assert found.report.total("failed") == 1


def test_ai_agg_needs_its_instruction(tmp_path: Path) -> None:
    with asked(LyingModel()) as server, pytest.raises(SqlError, match="needs its instruction"):
        connection(tmp_path, server, t=facts(3)).sql("SELECT AI_AGG(text) FROM t")


ORDERED = "SELECT id, AI_SCORE(PROMPT('How good is {{0}}?', text){}) AS s FROM t ORDER BY s DESC LIMIT 5"


def test_the_first_rows_by_a_score_are_found_by_few_calls_where_that_is_asked_for(tmp_path: Path) -> None:
    table = goods(700)
    best = np.argsort(-table.column("truth").to_numpy(), kind="stable")[:5].tolist()
    with SimulatedServer(SimulationConfig(text="text", truths=(Truth("truth"),)), table.to_batches()) as server:
        con = connection(tmp_path, server, t=table.drop_columns(["truth"]))
        fast = con.sql(ORDERED.format(", top_k => 'fast'"))
        assert fast.report.calls < 20
        exact = con.sql(ORDERED.format(""))
        assert exact.report.calls == 700
    assert [row[0] for row in exact.fetchall()] == best
    assert [row[0] for row in fast.fetchall()] == best
    assert [row[1] for row in fast.fetchall()] == pytest.approx([row[1] for row in exact.fetchall()], abs=0.01)
    assert any("may score higher" in note for note in fast.report.notes)
    assert fast.report.total("asked") + fast.report.total("proxied") == 700


@pytest.mark.parametrize(
    "query",
    [
        "SELECT AI_SCORE(PROMPT('How good is {0}?', text), top_k => 'fast') FROM t",
        "SELECT id FROM t ORDER BY AI_SCORE(PROMPT('How good is {0}?', text), top_k => 'fast') LIMIT 3",
        "SELECT id FROM t ORDER BY id, AI_SCORE(PROMPT('How good is {0}?', text), top_k => 'fast') DESC LIMIT 3",
        "SELECT id FROM t WHERE AI_SCORE(PROMPT('How good is {0}?', text), top_k => 'fast') > 3 LIMIT 3",
    ],
)
def test_a_fast_top_elsewhere_is_refused(tmp_path: Path, query: str) -> None:
    with asked(LyingModel()) as server, pytest.raises(SqlError, match="stands in ORDER BY"):
        connection(tmp_path, server, t=facts(3)).sql(query)
    assert not server.stats()["requests"]
