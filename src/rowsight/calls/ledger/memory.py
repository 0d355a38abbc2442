"""The ledger of runs that keep none: the same contract, in the memory of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rowsight.calls.budget import Account, Amounts, Budget
from rowsight.calls.ledger.base import (
    Answered,
    Attempt,
    Claim,
    Granted,
    Held,
    OverBudget,
    Recorded,
    RunId,
    RunRecord,
    RunStatus,
)
from rowsight.calls.ledger.rows import now
from rowsight.calls.request import Answer, Outcome
from rowsight.core.errors import InputError, LedgerError, nearest


@dataclass
class _Run:
    spec: dict[str, Any]
    account: Account
    started: float
    status: RunStatus = "running"
    ended: float | None = None
    resumed: int = 0
    report: dict[str, Any] | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class _Intent:
    run: RunId
    reserved: Amounts
    over: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryLedger:
    """A ``Ledger`` that is gone with its process: answers live as long as it does."""

    def __init__(self) -> None:
        self._runs: dict[RunId, _Run] = {}
        self._intents: dict[bytes, _Intent] = {}
        self._recorded: dict[bytes, Recorded] = {}
        self._attempts: dict[bytes, list[Attempt]] = {}

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """Return the answers that are there, by key."""
        return {key: answer for key in keys if (answer := self._answer(key)) is not None}

    async def claim(self, run: RunId, key: bytes, reserve: Amounts, prompt: str | None = None) -> Claim:  # noqa: ARG002
        """Record an intent and its reservation, or say why not; the prompt is not kept."""
        account = self._run(run).account
        if (answer := self._answer(key)) is not None:
            return Answered(answer)
        if key in self._intents:
            return Held()
        if not account.fits(reserve):
            return OverBudget(account.copy())
        account.reserve(reserve)
        self._intents[key] = _Intent(run, reserve)
        return Granted()

    async def reserve_again(self, run: RunId, key: bytes, reserve: Amounts, spent: Amounts | None = None) -> bool:
        """Reserve a further request of a claim that is held; ``False`` when it doesn't fit."""
        intent = self._intents.get(key)
        if intent is None:
            raise LedgerError(f"run {run}: a call was to be sent again without a claim; claim its key first")
        account = self._run(intent.run).account
        held = (intent.reserved if spent is None else spent) + reserve
        if not account.fits(held - intent.reserved):
            return False
        account.reserve(held - intent.reserved)
        intent.reserved = held
        return True

    async def settle(self, run: RunId, key: bytes, outcome: Outcome, spent: Amounts) -> Outcome:
        """Record a claim's outcome; return the outcome that the ledger holds."""
        run = self._settle_account(run, key, spent)
        earlier = self._recorded.get(key)
        if earlier is not None and isinstance(earlier.outcome, Answer):
            return earlier.outcome
        if isinstance(outcome, Answer):
            self._recorded[key] = Recorded(run, outcome, spent.calls, 0)
        else:
            requests, failures = (0, 0) if earlier is None else (earlier.requests, earlier.failures)
            self._recorded[key] = Recorded(run, outcome, requests + spent.calls, failures + 1)
        return outcome

    async def release(self, run: RunId, key: bytes) -> None:
        """Give back a claim for which nothing was sent."""
        self._settle_account(run, key, Amounts())

    async def wait(self, key: bytes) -> Answer | None:
        """Wait while ``key`` is being asked."""
        if (intent := self._intents.get(key)) is not None:
            await intent.over.wait()
        return self._answer(key)

    async def begin_run(self, run: RunId, spec: dict[str, Any], budget: Budget | None = None) -> RunRecord:
        """Open a run and its account."""
        if run in self._runs:
            raise LedgerError(f"run {run!r} is in the ledger already; resume it, or choose another name")
        self._runs[run] = _Run(spec, Account(budget), now())
        return await self.run(run)

    async def resume(self, run: RunId, budget: Budget | None = None) -> RunRecord:
        """Go on with a run and its account."""
        found = self._run(run)
        found.status, found.ended, found.resumed = "running", None, found.resumed + 1
        if budget is not None:
            found.account.budget = budget
        return await self.run(run)

    async def end_run(self, run: RunId, status: RunStatus, report: dict[str, Any]) -> None:
        """Close a run; what is in flight for it counts as spent."""
        found = self._run(run)
        for key in [k for k, intent in self._intents.items() if intent.run == run]:
            self._settle_account(run, key, self._intents[key].reserved)
        found.status, found.ended, found.report = status, now(), report

    async def run(self, run: RunId) -> RunRecord:
        """Return a run."""
        r = self._run(run)
        return RunRecord(run, r.status, r.spec, r.started, r.ended, r.resumed, r.report, r.account.copy())

    async def account(self, run: RunId) -> Account:
        """Return a run's account as it stands."""
        return self._run(run).account.copy()

    async def put_record(self, run: RunId, name: str, value: dict[str, Any]) -> None:
        """Keep a JSON value under a name of the run."""
        self._run(run).records[name] = value

    async def get_record(self, run: RunId, name: str) -> dict[str, Any] | None:
        """Return a run's named value."""
        found = self._runs.get(run)
        return None if found is None else found.records.get(name)

    async def next_attempt(self, run: RunId, subject: bytes) -> int:
        """Count an attempt at a certificate and return which it is."""
        attempts = self._attempts.setdefault(subject, [])
        for attempt in attempts:
            if attempt.run == run:
                return attempt.number
        attempts.append(Attempt(len(attempts) + 1, run, now(), None))
        return len(attempts)

    async def put_certificate(self, run: RunId, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep the certificate that a run's attempt ended with."""
        attempts = self._attempts.get(subject, [])
        for i, attempt in enumerate(attempts):
            if attempt.run == run:
                attempts[i] = Attempt(attempt.number, run, attempt.at, certificate)
                return
        raise LedgerError(f"run {run}: a certificate came without an attempt; count it with next_attempt first")

    async def certificates(self, subject: bytes) -> list[Attempt]:
        """Return all attempts at a subject, in order."""
        return list(self._attempts.get(subject, []))

    async def provenance(self, keys: Sequence[bytes]) -> dict[bytes, Recorded]:
        """Return where the outcomes of ``keys`` come from."""
        return {key: self._recorded[key] for key in keys if key in self._recorded}

    def close(self) -> None:
        """Count what is still held as spent."""
        for key, intent in list(self._intents.items()):
            self._settle_account(intent.run, key, intent.reserved)

    def _run(self, run: RunId) -> _Run:
        if run not in self._runs:
            raise InputError(f"the ledger has no run {run!r}{nearest(run, reversed(self._runs))}")
        return self._runs[run]

    def _answer(self, key: bytes) -> Answer | None:
        recorded = self._recorded.get(key)
        return recorded.outcome if recorded is not None and isinstance(recorded.outcome, Answer) else None

    def _settle_account(self, run: RunId, key: bytes, spent: Amounts) -> RunId:
        """Replace the claim's reservation; return the run that made the claim."""
        intent = self._intents.pop(key, None)
        if intent is None:
            self._run(run)
            return run
        self._run(intent.run).account.settle(intent.reserved, spent)
        intent.over.set()
        return intent.run
