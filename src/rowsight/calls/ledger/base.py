"""The contract of a ledger: what was asked, answered, reserved and spent, kept apart from where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rowsight.calls.budget import Account, Amounts, Budget
from rowsight.calls.request import Answer, Outcome

RunId = str
RunStatus = Literal["running", "interrupted", "done", "budget", "failed"]


@dataclass(frozen=True, slots=True)
class Granted:
    """The key is the caller's to ask: the intent and its reservation are durable. Settle or release it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The ledger holds the answer: nothing is to be asked."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Held:
    """Another live owner is asking this key: ``wait`` for it."""


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The reservation does not fit; ``account`` is the run's account at that moment."""

    account: Account


Claim = Granted | Answered | Held | OverBudget


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an outcome comes from: the run that asked, the requests it took, how often the key failed before."""

    run: RunId
    outcome: Outcome
    requests: int
    failures: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the ledger knows it; ``started`` and ``ended`` are Unix times, ``spec`` and ``report`` are JSON."""

    id: RunId
    status: RunStatus
    spec: dict[str, Any]
    started: float
    ended: float | None
    resumed: int
    report: dict[str, Any] | None
    account: Account


@dataclass(frozen=True, slots=True)
class Attempt:
    """The k-th attempt (``number``, from 1) at a certificate for one subject, and the certificate if it got one."""

    number: int
    run: RunId
    at: float
    certificate: dict[str, Any] | None


class Ledger(Protocol):
    """The durable record of calls, shared by all that ask: callable from one asyncio loop.

    Whatever returns has happened for good. Every method raises ``LedgerError`` when the ledger can't be read or
    written; after a failed write no further claim is granted.
    """

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """Return the answers that are there, by key; failures are never answers."""

    async def claim(self, run: RunId, key: bytes, reserve: Amounts, prompt: str | None = None) -> Claim:
        """Ask for the right to ask ``key``: the intent and the reservation of one request's worst case, together.

        ``prompt`` is kept only by a ledger that was opened to store prompts.
        """

    async def reserve_again(self, run: RunId, key: bytes, reserve: Amounts, spent: Amounts | None = None) -> bool:
        """Reserve one more request (a retry, a repair) of a claim that is held; ``False`` when it doesn't fit.

        ``spent``, where known, is what the claim's earlier requests cost in sum and takes the place of what was
        reserved for them, so that a retry doesn't hold the worst case of all its forerunners.
        """

    async def settle(self, run: RunId, key: bytes, outcome: Outcome, spent: Amounts) -> Outcome:
        """Record a claim's outcome, with ``spent`` (all its requests) in place of its reservation.

        Returns the outcome that the ledger holds: the first answer recorded stays, should two ever meet.
        """

    async def release(self, run: RunId, key: bytes) -> None:
        """Give back a claim for which nothing was sent."""

    async def wait(self, key: bytes) -> Answer | None:
        """Wait while another owner holds ``key``; return its answer, or ``None`` when the key can be claimed again."""

    async def begin_run(self, run: RunId, spec: dict[str, Any], budget: Budget | None = None) -> RunRecord:
        """Open a run and its account. ``spec`` is what it takes to run it again: no secrets, no prompts."""

    async def resume(self, run: RunId, budget: Budget | None = None) -> RunRecord:
        """Go on with a run and its account; ``budget``, if given, is its new cap over all it has spent so far."""

    async def end_run(self, run: RunId, status: RunStatus, report: dict[str, Any]) -> None:
        """Close a run. What this owner still has in flight for it counts as spent."""

    async def run(self, run: RunId) -> RunRecord:
        """Return a run; an unknown one is an ``InputError`` with the nearest name."""

    async def account(self, run: RunId) -> Account:
        """Return a run's account as it stands."""

    async def put_record(self, run: RunId, name: str, value: dict[str, Any]) -> None:
        """Keep a JSON value under a name of the run, durably; the last one stays."""

    async def get_record(self, run: RunId, name: str) -> dict[str, Any] | None:
        """Return a run's named value, ``None`` when there is none."""

    async def next_attempt(self, run: RunId, subject: bytes) -> int:
        """Count an attempt at a certificate for ``subject`` (a digest of table, question and model) and return which.

        A run has one attempt a subject: a resumed run gets the number it had.
        """

    async def put_certificate(self, run: RunId, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep the certificate (JSON) that a run's attempt ended with."""

    async def certificates(self, subject: bytes) -> list[Attempt]:
        """Return all attempts at a subject, in order."""

    async def provenance(self, keys: Sequence[bytes]) -> dict[bytes, Recorded]:
        """Return where the outcomes of ``keys`` come from, failures included."""

    def close(self) -> None:
        """Finish what is queued and give the ledger up; claims still held count as spent."""
