"""The scenarios of ``benchmarks/chaos.py``, small: servers and clients in processes that are killed and restarted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    ["faults", "kills", "kills_and_faults", "restarts", "endpoint_death", "two_clients", "budget", "storm"],
)
def test_nothing_is_lost_wrong_paid_twice_or_spent_past_the_cap(scenario: str, tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    command = [sys.executable, CHAOS, "--rows", "300", "--only", scenario, "--json", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr
    (verdict,) = json.loads(path.read_text())
    assert (verdict["wrong"], verdict["missing"], verdict["past_cap"], verdict["notes"]) == (0, 0, 0, []), verdict
    assert verdict["bytes"], "the output differs from an undisturbed run's"
    assert verdict["repaid"] <= verdict["open"]
    assert verdict["kept"]
