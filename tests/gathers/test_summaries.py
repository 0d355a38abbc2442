"""Summaries from end to end over real HTTP: what is cited, what is dropped, what a failure leaves, what a budget bears."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from lying_model import LyingModel

from rowsight.calls.simulated import SimulatedServer, SimulationConfig
from rowsight.session import Session
from rowsight.surfaces.table import read

QUESTION = "Which facts does {text} state?"


def facts(rows: int, kinds: int = 6) -> pa.Table:
    words = [f"row {n} states fact-{n % kinds} plainly" for n in range(rows)]
    return pa.table(
        {"id": [f"k{n}" for n in range(rows)], "text": words, "region": ["n" if n % 2 else "s" for n in range(rows)]}
    )


@contextlib.contextmanager
def asked(model: Any, **config: Any) -> Iterator[SimulatedServer]:
    with SimulatedServer(
        SimulationConfig(text="text", hook=model, **config), {"text": ["a"], "truth": ["b"]}
    ) as server:
        yield server


def summarized(table: Any, server: SimulatedServer, state: Path, *, question: str = QUESTION, **given: Any) -> Any:
    options = {
        k: given.pop(k) for k in ("budget", "seed", "truncate", "on_failure", "attempts", "ledger") if k in given
    }
    source = read(table, session=Session(state=state, environment=dict(os.environ)))
    return source.summarize(question, **given).run("sim", base_url=server.base_url, **options)


def test_every_sentence_cites_rows_that_say_it_and_inventions_are_dropped(tmp_path: Path) -> None:
    table, model = facts(240), LyingModel(invents=0.5, false_ids=0.5)
    with asked(model) as server:
        found = summarized(table, server, tmp_path, key="id", chunk_tokens=300)
    texts = table.column("text").to_pylist()
    assert {s.text for s in found.sentences} == {f"fact-{n}" for n in range(6)}
    for sentence in found.sentences:
        assert sentence.rows
        assert all(sentence.text in texts[row].split() for row in sentence.rows)
        assert sentence.keys == tuple(f"k{row}" for row in sentence.rows)
        assert sentence.support == 40
    assert (found.summary.dropped.unsupported, found.summary.dropped.citations) == (model.invented, model.faked)
    assert model.invented > 2
    assert model.faked > 2


def test_a_second_run_and_a_shuffled_table_pay_nothing(tmp_path: Path) -> None:
    table = facts(90)
    order = list(range(90))
    random.Random(3).shuffle(order)
    with asked(LyingModel(invents=0.3)) as server:
        first = summarized(table, server, tmp_path, key="id", chunk_tokens=300)
        paid = server.stats()["requests"]
        again = summarized(table, server, tmp_path, key="id", chunk_tokens=300)
        shuffled = summarized(table.take(pa.array(order)), server, tmp_path, key="id", chunk_tokens=300)
        assert server.stats()["requests"] == paid == first.report.calls
    assert again.sentences == first.sentences
    assert [s.text for s in shuffled.sentences] == [s.text for s in first.sentences]
    assert [set(s.keys) for s in shuffled.sentences] == [set(s.keys) for s in first.sentences]
    assert (again.report.calls, again.report.total("from_ledger")) == (0, 90)


def test_the_estimate_is_what_the_tree_takes(tmp_path: Path) -> None:
    table = facts(300)
    source = read(table).summarize(QUESTION, chunk_tokens=400)
    with asked(LyingModel()) as server:
        found = summarized(table, server, tmp_path, chunk_tokens=400)
    told = source.estimate()
    assert told.rows == 300
    assert found.report.calls <= told.calls_high <= found.report.calls * 1.2
    assert found.report.prompt_tokens <= told.prompt_tokens * 1.3
