"""The durable ledger: one SQLite file that several processes share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rowsight.calls.budget import Account, Amounts, Budget
from rowsight.calls.ledger import reading
from rowsight.calls.ledger.base import Attempt, Claim, Granted, Recorded, RunId, RunRecord, RunStatus
from rowsight.calls.ledger.group import Group
from rowsight.calls.ledger.owners import Owner
from rowsight.calls.ledger.rows import answer_row, failure_row, storable, to_json
from rowsight.calls.ledger.schema import BUSY_SECONDS, connect, create, explained
from rowsight.calls.ledger.writer import Hook, Writer, unheard
from rowsight.calls.request import Answer, Outcome
from rowsight.core.errors import LedgerError

T = TypeVar("T")
_FIRST_LOOK_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
_INLINE = 256


class SqliteLedger:
    """A ``Ledger`` in a state directory, in WAL mode with ``synchronous=FULL``.

    Claims and outcomes are durable when the method returns: a writer's thread commits them in groups. Look-ups read
    beside it. A claim belongs to this object; when its process dies, other processes see so and take the key over.
    """

    def __init__(self, path: Path, writer: Writer, reader: sqlite3.Connection, *, store_prompts: bool) -> None:
        self.path = path
        self._writer, self._reader, self._store_prompts = writer, reader, store_prompts

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        store_prompts: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        on_write: Hook = unheard,
    ) -> SqliteLedger:
        """Open the ledger of a state directory, made if missing; ``LedgerError`` where that can't be.

        ``busy_seconds`` is how long to wait for another process's write; ``on_write`` hears of each step of writing.
        """
        path = create(directory)
        connection = connect(path, busy_seconds)
        writer = Writer(connection, path, Owner.here(), on_write)
        try:
            writer.start()
            reader = connect(path, busy_seconds)
            reader.execute("PRAGMA query_only=1")
        except LedgerError:
            connection.close()
            raise
        return cls(path, writer, reader, store_prompts=store_prompts)

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """Return the answers that are there, by key."""
        found: dict[bytes, Answer] = {}
        for start in range(0, len(keys), _INLINE):
            if start:
                await asyncio.sleep(0)
            found |= self._read(reading.answers_in, keys[start : start + _INLINE])
        return found

    async def claim(self, run: RunId, key: bytes, reserve: Amounts, prompt: str | None = None) -> Claim:
        """Record an intent and its reservation, or say why not."""
        self._refuse_after_failure()
        kept = storable(prompt) if prompt is not None and self._store_prompts else None
        future = self._writer.submit(Group.claim, run, key, reserve, kept)
        try:
            claim: Claim = await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: self._give_back(run, key, done))
            raise
        return claim

    async def reserve_again(self, run: RunId, key: bytes, reserve: Amounts, spent: Amounts | None = None) -> bool:
        """Reserve a further request of a claim that is held; ``False`` when it doesn't fit."""
        self._refuse_after_failure()
        fits: bool = await self._writer.submit(Group.reserve_again, run, key, reserve, spent)
        return fits

    async def settle(self, run: RunId, key: bytes, outcome: Outcome, spent: Amounts) -> Outcome:
        """Record a claim's outcome; return the outcome that the ledger holds."""
        if isinstance(outcome, Answer):
            first = await self._writer.submit(Group.settle_answer, run, key, answer_row(outcome), spent)
        else:
            first = await self._writer.submit(Group.settle_failure, run, key, failure_row(outcome), spent)
        return outcome if first is None else first

    async def release(self, run: RunId, key: bytes) -> None:
        """Give back a claim for which nothing was sent."""
        await self._writer.submit(Group.release, run, key)

    async def wait(self, key: bytes) -> Answer | None:
        """Wait while a live owner holds ``key``; look rarely when it takes long."""
        pause = _FIRST_LOOK_SECONDS
        while True:
            found = self._read(reading.answers_in, [key])
            if key in found:
                return found[key]
            if not self._read(reading.held_in, key):
                return self._read(reading.answers_in, [key]).get(key)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def begin_run(self, run: RunId, spec: dict[str, Any], budget: Budget | None = None) -> RunRecord:
        """Open a run and its account."""
        await self._writer.submit(Group.begin_run, run, to_json(spec), budget)
        return await self.run(run)

    async def resume(self, run: RunId, budget: Budget | None = None) -> RunRecord:
        """Go on with a run and its account."""
        await self._writer.submit(Group.resume, run, budget)
        return await self.run(run)

    async def end_run(self, run: RunId, status: RunStatus, report: dict[str, Any]) -> None:
        """Close a run."""
        await self._writer.submit(Group.end_run, run, status, to_json(report))

    async def run(self, run: RunId) -> RunRecord:
        """Return a run."""
        return self._read(reading.run_in, run)

    async def account(self, run: RunId) -> Account:
        """Return a run's account as it stands."""
        return self._read(reading.account_in, run)

    async def put_record(self, run: RunId, name: str, value: dict[str, Any]) -> None:
        """Keep a JSON value under a name of the run."""
        await self._writer.submit(Group.put_record, run, name, to_json(value))

    async def get_record(self, run: RunId, name: str) -> dict[str, Any] | None:
        """Return a run's named value."""
        return self._read(reading.record_in, run, name)

    async def next_attempt(self, run: RunId, subject: bytes) -> int:
        """Count an attempt at a certificate and return which it is."""
        number: int = await self._writer.submit(Group.next_attempt, run, subject)
        return number

    async def put_certificate(self, run: RunId, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep the certificate that a run's attempt ended with."""
        await self._writer.submit(Group.put_certificate, run, subject, to_json(certificate))

    async def certificates(self, subject: bytes) -> list[Attempt]:
        """Return all attempts at a subject, in order."""
        return self._read(reading.attempts_in, subject)

    async def provenance(self, keys: Sequence[bytes]) -> dict[bytes, Recorded]:
        """Return where the outcomes of ``keys`` come from."""
        return self._read(reading.recorded_in, keys)

    def close(self) -> None:
        """Finish what is queued and give the ledger up."""
        self._writer.close()
        self._reader.close()

    def _read(self, question: Callable[..., T], *args: Any) -> T:
        try:
            return question(self._reader, *args)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _refuse_after_failure(self) -> None:
        if (failure := self._writer.failure) is not None:
            raise LedgerError(str(failure))

    def _give_back(self, run: RunId, key: bytes, claimed: asyncio.Future[Claim]) -> None:
        """Release what was granted to a caller that was cancelled meanwhile."""
        if not claimed.cancelled() and claimed.exception() is None and isinstance(claimed.result(), Granted):
            self._writer.abandon(Group.release, run, key)
