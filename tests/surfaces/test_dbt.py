"""An incremental model of dbt pays for new rows only. Needs ``pip install 'rowsight[dbt]'``; skips where dbt isn't there."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.csv as pv
import pytest

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

pytest.importorskip("dbt.adapters.duckdb", reason="dbt isn't installed: pip install 'rowsight[dbt]'")
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(project: Path, server: SimulatedServer, command: str) -> None:
    environment = {
        "OPENAI_BASE_URL": server.base_url,
        "ROWSIGHT_STATE": str(project / "state"),
        "OPENAI_API_KEY": "none",
    }
    code = "import sys; from dbt.cli.main import cli; cli(sys.argv[1:])"
    where = ("--project-dir", str(project), "--profiles-dir", str(project))
    done = subprocess.run(
        [sys.executable, "-c", code, command, *where],
        cwd=project, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_incremental_model_pays_for_new_rows_only(tmp_path):
    project = shutil.copytree(EXAMPLES / "dbt", tmp_path / "dbt")
    (project / "seeds").mkdir()
    with (EXAMPLES / "tickets.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    truths = (Truth("topic", "- delivery"), Truth("late"))
    truth = pv.read_csv(EXAMPLES / "tickets_truth.csv")
    with SimulatedServer(SimulationConfig(text="body", truths=truths), truth.to_batches()) as server:
        asked = []
        for count in (10, len(rows), len(rows)):
            with (project / "seeds" / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([head, *rows[:count]])
            run(project, server, "build")
            asked.append(server.stats()["requests"])
    filled = [sum(bool(row[2].strip()) for row in rows[:count]) for count in (10, len(rows))]
    assert asked == [2 * filled[0], 2 * filled[1], 2 * filled[1]]
    with duckdb.connect(project / "tickets.duckdb") as database:
        late = database.sql("SELECT id FROM topics WHERE late ORDER BY id").fetchall()
    assert late == [(1,), (5,), (8,), (13,)]
