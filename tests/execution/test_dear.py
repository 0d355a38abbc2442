"""A certificate that saves little is announced, with its cost, before it is paid."""

import pyarrow as pa

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.events import Warned
from rowsight.execution.cascade.dear import dear

ROWS = 400


def test_a_plan_that_asks_nearly_all_rows_is_told_with_its_cost():
    plan = {"asked": 350, "certifying": 440, "rest": 150}
    assert "about 940 of 1,000 rows" in dear(plan, 1000)
    assert "about 900 of 900 rows" in dear(plan, 900)


def test_nothing_is_said_early_or_where_rows_are_saved():
    assert dear({"asked": 100, "certifying": 500, "rest": 5000}, 6000) is None
    assert dear({"asked": 350, "certifying": 400, "rest": 0}, 1000) is None


def test_a_run_says_it_as_soon_as_a_plan_knows(tmp_path):
    table = {"text": [f"row {n} of words {n * 7 % 11}" for n in range(ROWS)], "rare": [n == 9 for n in range(ROWS)]}
    heard = []
    session = rowsight.Session(state=tmp_path, listener=heard.append)
    with SimulatedServer(SimulationConfig(text="text", truths=(Truth("rare"),)), table) as server:
        asked = rowsight.read(pa.table(table), session=session).filter("Is {text} rare?", precision=0.9, recall=0.9)
        result = asked.run("sim", base_url=server.base_url)
    told = [event.message for event in heard if isinstance(event, Warned) and "saves little" in event.message]
    assert len(told) == 1
    assert told[0] in result.report.notes
    assert result.report.calls == ROWS
