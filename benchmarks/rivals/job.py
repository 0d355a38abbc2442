"""The job that every system is given: one yes/no question about each row of a table, asked of one server.

A system is a file ``run_NAME.py`` beside this one that runs in an environment of its own, so that this file needs the standard
library alone. It calls ``main(load)``; ``load(job)`` imports what the system needs and returns a function that answers:
``{id: yes or no}``, without the rows that it has no answer to.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Answers = dict[int, bool]


@dataclass(frozen=True)
class Job:
    """``rows`` have ``id`` and ``body``; ``question`` holds ``{body}``; ``best`` asks for the best settings, not the defaults.

    ``keep``: answers are to outlive the process.
    """

    rows: list[dict[str, Any]]
    question: str
    url: str
    best: bool
    in_flight: int
    scratch: str
    keep: bool = False

    @property
    def bare_question(self) -> str:
        """The question without its placeholder."""
        return self.question.replace("{body}", "this message")


def cpu_seconds() -> float:
    """CPU time of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def peak_megabytes() -> float | None:
    """The most memory that this process held at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return None


def said(text: Any) -> bool | None:
    """Yes or no, where a text says one of the two; None for anything else."""
    word = str(text).strip().strip(".").casefold()
    return {"yes": True, "true": True, "no": False, "false": False}.get(word)


def main(load: Callable[[Job], Callable[[], Answers]]) -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    job = Job(**given)
    started = time.perf_counter()
    ask = load(job)
    report: dict[str, Any] = {"import_cpu": cpu_seconds(), "import_wall": time.perf_counter() - started}
    answers: Answers = {}
    started = time.perf_counter()
    try:
        answers = ask()
    except BaseException as error:  # noqa: BLE001 - whatever ends a system's run is its result
        report["error"] = f"{type(error).__name__}: {error}"[:600]
    report["wall"] = time.perf_counter() - started
    report["cpu"] = cpu_seconds() - report["import_cpu"]
    report["peak_mb"] = peak_megabytes()
    report["answers"] = {str(key): value for key, value in answers.items() if value is not None}
    Path(sys.argv[2]).write_text(json.dumps(report))
