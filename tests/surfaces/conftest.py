"""A simulated model over a small table, and the command line as a user calls it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tickets_table import tickets

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.surfaces.cli import main


@pytest.fixture(scope="session")
def model():
    """Return a simulated model that knows every truth of ``tickets``."""
    truths = (
        Truth("late", r"late\?"),
        Truth("topic", "Which topic"),
        Truth("anger", "How angry"),
        Truth("order", "Which order"),
        Truth("reply", "Write a reply"),
    )
    with SimulatedServer(SimulationConfig(text="text", truths=truths), tickets().to_batches()) as server:
        yield server


@dataclass
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def cli(model, tmp_path, monkeypatch, capsys):
    """Return a function that runs ``rowsight`` in a folder of its own that holds ``tickets.parquet``."""
    pq.write_table(tickets(), tmp_path / "tickets.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROWSIGHT_STATE", str(tmp_path / "state"))

    def run(*arguments: str, server: SimulatedServer | None = model) -> Ended:
        given = [*arguments]
        if server is not None:
            given += ["--model", "sim", "--base-url", server.base_url]
        with pytest.raises(SystemExit) as stop:
            main(given)
        printed = capsys.readouterr()
        return Ended(int(stop.value.code or 0), printed.out, printed.err)

    run.folder = Path(tmp_path)
    return run
