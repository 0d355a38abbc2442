"""The operations of a ledger inside one write transaction.

A group is what one commit makes durable. It holds the write lock, so what it reads can't change under it; accounts are
read once and written back once.
"""

# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import sqlite3

from rowsight.calls.budget import Account, Amounts, Budget
from rowsight.calls.ledger.base import Answered, Claim, Granted, Held, OverBudget, RunId, RunStatus
from rowsight.calls.ledger.owners import LEASE_SECONDS, Owner
from rowsight.calls.ledger.reading import alive_in, answers_in, attempts_in, holder_of, run_number, unknown_run
from rowsight.calls.ledger.rows import ACCOUNT_COLUMNS, ANSWER_COLUMNS, FAILURE_COLUMNS, Row, account_of, now
from rowsight.calls.request import Answer
from rowsight.core.errors import LedgerError

_GRANTED = Granted()
_HELD = Held()
_BEAT = "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?, ?, ?)"
_WRITE_ACCOUNT = (
    "UPDATE runs SET unit=?, cap=?, spent_calls=?, spent_tokens=?, spent_microusd=?,"
    " reserved_calls=?, reserved_tokens=?, reserved_microusd=? WHERE number=?"
)
_INTEND = (
    "INSERT INTO intents SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM answers WHERE key=?1)"
    " ON CONFLICT DO NOTHING"
)
_TAKE = "DELETE FROM intents WHERE key=? AND owner=? RETURNING run, calls, tokens, microusd"
_ANSWER = f"INSERT OR IGNORE INTO answers(key, run, requests, {ANSWER_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_FAILURE = (
    f"INSERT INTO failures(key, run, requests, failures, {FAILURE_COLUMNS}) VALUES (?,?,?,1,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(key) DO UPDATE SET failures=failures+1, requests=requests+excluded.requests, run=excluded.run,"
    " reason=excluded.reason, detail=excluded.detail, endpoint=excluded.endpoint, at=excluded.at,"
    " prompt_tokens=excluded.prompt_tokens, completion_tokens=excluded.completion_tokens,"
    " cached_tokens=excluded.cached_tokens, cost=excluded.cost"
)


class Group:
    """The operations of one owner within one transaction of ``connection``."""

    def __init__(self, connection: sqlite3.Connection, owner: Owner) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._owner = owner
        self._numbers: dict[RunId, int] = {}
        self._accounts: dict[int, Account] = {}

    def write_accounts(self) -> None:
        """Write back the accounts that the group has used."""
        for number, account in self._accounts.items():
            budget, spent, reserved = account.budget, account.spent, account.reserved
            self._execute(
                _WRITE_ACCOUNT,
                (
                    budget and budget.unit,
                    budget and budget.limit,
                    spent.calls,
                    spent.tokens,
                    spent.microusd,
                    reserved.calls,
                    reserved.tokens,
                    reserved.microusd,
                    number,
                ),
            )

    def beat(self) -> None:
        """Move the owner's lease; a row that was swept away comes back."""
        o = self._owner
        self._execute(_BEAT, (o.id, o.host, o.pid, o.boot, o.space, o.born, now() + LEASE_SECONDS))

    def leave(self) -> None:
        """Give up the owner: what it still holds counts as spent."""
        self._sweep(self._owner.id)

    def sweep_dead(self) -> None:
        """Count as spent what owners that have died were asking."""
        for (owner,) in self._execute("SELECT DISTINCT owner FROM intents UNION SELECT id FROM owners").fetchall():
            if not self._alive(owner):
                self._sweep(owner)

    def claim(self, run: RunId, key: bytes, reserve: Amounts, prompt: str | None) -> Claim:
        """Record an intent and its reservation, or say why not."""
        number = self._number(run)
        account = self._accounts[number]
        if not account.fits(reserve):
            return self._standing(key) or OverBudget(account.copy())
        row = (key, number, self._owner.id, reserve.calls, reserve.tokens, reserve.microusd)
        while self._execute(_INTEND, row).rowcount < 1:
            if standing := self._standing(key):
                return standing
        account.reserve(reserve)
        if prompt is not None:
            self._execute("INSERT OR IGNORE INTO prompts VALUES (?, ?)", (key, prompt))
        return _GRANTED

    def reserve_again(self, run: RunId, key: bytes, reserve: Amounts, spent: Amounts | None) -> bool:
        """Reserve a further request of a claim that this owner holds."""
        row = self._execute(
            "SELECT run, calls, tokens, microusd FROM intents WHERE key=? AND owner=?", (key, self._owner.id)
        ).fetchone()
        if row is None:
            raise LedgerError(f"run {run}: a call was to be sent again without a claim; claim its key first")
        account = self._account_of_number(row[0])
        held = Amounts(*row[1:])
        known = held if spent is None else spent
        if not account.fits(known - held + reserve):
            return False
        held, more = known + reserve, known - held + reserve
        self._execute(
            "UPDATE intents SET calls=?, tokens=?, microusd=? WHERE key=?",
            (held.calls, held.tokens, held.microusd, key),
        )
        account.reserve(more)
        return True

    def settle_answer(self, run: RunId, key: bytes, row: Row, spent: Amounts) -> Answer | None:
        """Record an answer; return the one that was there first, if any."""
        number = self._settle_account(run, key, spent)
        recorded = self._execute(_ANSWER, (key, number, spent.calls, *row)).rowcount
        self._execute("DELETE FROM failures WHERE key=?", (key,))
        return None if recorded else self._answer(key)

    def settle_failure(self, run: RunId, key: bytes, row: Row, spent: Amounts) -> Answer | None:
        """Record a failure; return the answer that was there first, if any."""
        number = self._settle_account(run, key, spent)
        if (answer := self._answer(key)) is None:
            self._execute(_FAILURE, (key, number, spent.calls, *row))
        return answer

    def release(self, run: RunId, key: bytes) -> None:
        """Drop an intent for which nothing was sent."""
        self._settle_account(run, key, Amounts())

    def begin_run(self, run: RunId, spec: str, budget: Budget | None) -> None:
        """Open a run."""
        self.sweep_dead()
        row = (run, spec, self._owner.id, now(), budget and budget.unit, budget and budget.limit)
        sql = "INSERT OR IGNORE INTO runs(id, spec, status, owner, started, unit, cap) VALUES (?, ?, 'running', ?, ?, ?, ?)"
        if self._execute(sql, row).rowcount < 1:
            raise LedgerError(f"run {run!r} is in the ledger already; resume it, or choose another name")

    def resume(self, run: RunId, budget: Budget | None) -> None:
        """Open a run again, with a new cap if one is given."""
        number = self._number(run)
        self.sweep_dead()
        sql = "UPDATE runs SET status='running', owner=?, ended=NULL, resumed=resumed+1 WHERE number=?"
        self._execute(sql, (self._owner.id, number))
        if budget is not None:
            self._accounts[number].budget = budget

    def end_run(self, run: RunId, status: RunStatus, report: str) -> None:
        """Close a run; what this owner holds for it counts as spent."""
        number = self._number(run)
        self._forfeit("run=? AND owner=?", (number, self._owner.id))
        self._execute("UPDATE runs SET status=?, ended=?, report=? WHERE number=?", (status, now(), report, number))

    def put_record(self, run: RunId, name: str, value: str) -> None:
        """Keep a value under a name of the run."""
        self._execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (self._number(run), name, value))

    def next_attempt(self, run: RunId, subject: bytes) -> int:
        """Return the number of the run's attempt at a subject, counting it if it is new."""
        attempts = attempts_in(self._connection, subject)
        for attempt in attempts:
            if attempt.run == run:
                return attempt.number
        number = len(attempts) + 1
        self._execute("INSERT INTO attempts VALUES (?, ?, ?, ?, NULL)", (subject, number, run, now()))
        return number

    def put_certificate(self, run: RunId, subject: bytes, certificate: str) -> None:
        """Keep the certificate (JSON) of the run's attempt."""
        sql = "UPDATE attempts SET certificate=? WHERE subject=? AND run=?"
        if self._execute(sql, (certificate, subject, run)).rowcount < 1:
            raise LedgerError(f"run {run}: a certificate came without an attempt; count it with next_attempt first")

    def _number(self, run: RunId) -> int:
        number = self._numbers.get(run)
        if number is None:
            number = run_number(self._connection, run)
            if number is None:
                raise unknown_run(self._connection, run)
            self._account_of_number(number)
            self._numbers[run] = number
        return number

    def _account_of_number(self, number: int) -> Account:
        account = self._accounts.get(number)
        if account is None:
            row = self._execute(f"SELECT {ACCOUNT_COLUMNS} FROM runs WHERE number=?", (number,)).fetchone()
            account = self._accounts[number] = account_of(row)
        return account

    def _settle_account(self, run: RunId, key: bytes, spent: Amounts) -> int:
        """Replace the claim's reservation. A claim that was swept away has been counted as spent already."""
        row = self._execute(_TAKE, (key, self._owner.id)).fetchone()
        if row is None:
            return self._number(run)
        number: int = row[0]
        self._account_of_number(number).settle(Amounts(row[1], row[2], row[3]), spent)
        return number

    def _answer(self, key: bytes) -> Answer | None:
        return answers_in(self._connection, [key]).get(key)

    def _standing(self, key: bytes) -> Answered | Held | None:
        """Return who stands in a claim's way; an owner that has died is swept out of it."""
        if (answer := self._answer(key)) is not None:
            return Answered(answer)
        owner = holder_of(self._connection, key)
        if owner is None:
            return None
        if self._alive(owner):
            return _HELD
        self._sweep(owner)
        return None

    def _alive(self, owner: int) -> bool:
        return owner == self._owner.id or alive_in(self._connection, owner)

    def _sweep(self, owner: int) -> None:
        self._forfeit("owner=?", (owner,))
        self._execute("DELETE FROM owners WHERE id=?", (owner,))

    def _forfeit(self, condition: str, values: Row) -> None:
        """Turn reservations into spending: what was in flight may have been paid for."""
        where = f"FROM intents WHERE {condition}"
        sums = self._execute(f"SELECT run, sum(calls), sum(tokens), sum(microusd) {where} GROUP BY run", values)
        for number, *amounts in sums.fetchall():
            held = Amounts(*amounts)
            self._account_of_number(number).settle(held, held)
        self._execute(f"DELETE {where}", values)
