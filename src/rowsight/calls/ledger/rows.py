"""Outcomes, runs and accounts as rows of the ledger's tables, and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import orjson

from rowsight.calls.budget import Account, Amounts, Budget, Unit
from rowsight.calls.ledger.base import RunRecord, RunStatus
from rowsight.calls.request import Answer, Failure, FailureReason, Usage

ANSWER_COLUMNS = (
    "text, model, endpoint, at, prompt_tokens, completion_tokens, cached_tokens, cost, fingerprint, logprob"
)
FAILURE_COLUMNS = "reason, detail, endpoint, at, prompt_tokens, completion_tokens, cached_tokens, cost"
ACCOUNT_COLUMNS = (
    "unit, cap, spent_calls, spent_tokens, spent_microusd, reserved_calls, reserved_tokens, reserved_microusd"
)
RUN_COLUMNS = f"id, status, owner, spec, started, ended, resumed, report, {ACCOUNT_COLUMNS}"

Row = tuple[Any, ...]


def storable(text: str) -> str:
    """Return ``text`` as SQLite can keep it: a lone surrogate becomes its escape, which in JSON means the same."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def answer_row(answer: Answer) -> Row:
    """Return the columns of ``ANSWER_COLUMNS``."""
    usage = answer.usage
    return (
        storable(answer.text),
        storable(answer.model),
        answer.endpoint,
        answer.at,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        answer.cost,
        answer.fingerprint,
        answer.logprob,
    )


def answer_of(row: Row) -> Answer:
    """Read the columns of ``ANSWER_COLUMNS``."""
    text, model, endpoint, at, prompt, completion, cached, cost, fingerprint, logprob = row
    return Answer(text, model, endpoint, at, Usage(prompt, completion, cached), cost, fingerprint, logprob)


def failure_row(failure: Failure) -> Row:
    """Return the columns of ``FAILURE_COLUMNS``."""
    usage = failure.usage
    return (
        failure.reason,
        storable(failure.detail),
        failure.endpoint,
        failure.at,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        failure.cost,
    )


def failure_of(row: Row) -> Failure:
    """Read the columns of ``FAILURE_COLUMNS``."""
    reason, detail, endpoint, at, prompt, completion, cached, cost = row
    return Failure(cast("FailureReason", reason), detail, at, Usage(prompt, completion, cached), cost, endpoint)


def account_of(row: Row) -> Account:
    """Read the columns of ``ACCOUNT_COLUMNS``."""
    unit, cap = row[:2]
    budget = None if unit is None else Budget(cast("Unit", unit), cap)
    return Account(budget, Amounts(*row[2:5]), Amounts(*row[5:8]))


def run_of(row: Row, alive: Callable[[int], bool]) -> RunRecord:
    """Read the columns of ``RUN_COLUMNS``; a running run whose owner is not ``alive`` was interrupted."""
    name, status, owner, spec, started, ended, resumed, report = row[:8]
    if status == "running" and not alive(owner):
        status = "interrupted"
    return RunRecord(
        id=name,
        status=cast("RunStatus", status),
        spec=orjson.loads(spec),
        started=started,
        ended=ended,
        resumed=resumed,
        report=None if report is None else orjson.loads(report),
        account=account_of(row[8:]),
    )


def to_json(value: dict[str, Any]) -> str:
    """Return a JSON text with the keys as they stand."""
    return orjson.dumps(value).decode()


def now() -> float:
    """Return Unix time in seconds."""
    return time.time()
