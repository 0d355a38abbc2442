"""What the ledger's tests share: keys, answers, failures, and child processes that use a ledger."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from rowsight.calls.request import Answer, Failure, Usage

CHILD = Path(__file__).with_name("ledger_child.py")


def key(name) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def answer(text="true", at=1000.0, cost=0.25) -> Answer:
    return Answer(json.dumps(text), "sim-1", "local", at, Usage(10, 2, 3), cost, "fp", -0.5)


def failure(reason="timeout") -> Failure:
    return Failure(reason, "no answer within 60 s", 1001.0, Usage(5, 0, 0), None, "local")


def child(*args: object, **popen) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(CHILD), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def finished(process: subprocess.Popen, timeout=60) -> list:
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]
