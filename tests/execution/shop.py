"""A table on disk, a simulated model that knows its truth, a state directory: what runs are tried on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.execution.result import Result
from rowsight.session import Session
from rowsight.surfaces.table import read

QUESTION = "Is {body} late?"
UNSAYABLE = "neither yes nor no"
"""What a hook returns for a row on which the simulated model is to refuse."""


def body(number: int) -> str:
    return f"message number {number}: my parcel has not come"


def late(number: int) -> bool:
    return number % 3 == 0


def write(path: Path, numbers: Iterator[int] | range | list[int]) -> Path:
    path.write_text("".join(json.dumps({"id": n, "body": body(n)}) + "\n" for n in numbers), encoding="utf-8")
    return path


class Shop:
    def __init__(self, directory: Path, server: SimulatedServer) -> None:
        self.directory, self.server = directory, server
        self.state = directory / "state"

    def table(self, numbers: range | list[int], name: str = "table.jsonl") -> Path:
        return write(self.directory / name, numbers)

    @property
    def requests(self) -> int:
        return self.server.stats()["requests"]

    def filter(self, path: Path, question: str = QUESTION, *, model: str = "sim", **options: Any) -> Result:
        options = {"base_url": self.server.base_url, **options}
        session = Session(state=self.state, environment=dict(os.environ))
        asked = read(path, session=session).filter(question, keep_all=True, certify=False)  # budgets are caps here
        return asked.run(model, **options)

    def command(self, *words: object) -> list[str]:
        heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        main = (
            f"{heeding}; from rowsight.surfaces.cli import main; main()"  # a job in a shell's background ignores Ctrl-C
        )
        return [sys.executable, "-c", main, *map(str, words), "--state", str(self.state), "--json"]

    def asking(self, path: Path, *words: object) -> list[str]:
        asked = ("filter", path, QUESTION, "--model", "sim", "--base-url", self.server.base_url, "--keep-all", *words)
        return self.command(*asked)

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        env = os.environ | {"OPENAI_API_KEY": "none"} | environment
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def call(self, command: list[str], **environment: str) -> tuple[int, str, str]:
        process = self.start(command, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@contextlib.contextmanager
def open_shop(directory: Path, rows: int = 400, **config: Any) -> Iterator[Shop]:
    known = {"body": [body(n) for n in range(rows)], "late": [late(n) for n in range(rows)]}
    with SimulatedServer(SimulationConfig(text="body", truths=(Truth("late"),), **config), known) as server:
        yield Shop(directory, server)


def right(result: Result) -> bool:
    """Whether every row has the right answer."""
    rows: pa.Table = result.to_arrow()
    answers = zip(rows.column("id").to_pylist(), rows.column("answer").to_pylist(), strict=True)
    return all(answer is late(number) for number, answer in answers)


def honest(result: Result) -> bool:
    """Whether every row has the right answer or none, and says so."""
    rows = result.to_arrow().to_pylist()
    return all(r["answer"] is late(r["id"]) if r["answer_status"] == "asked" else r["answer"] is None for r in rows)
