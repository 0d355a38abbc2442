"""What can be read from a ledger's file, inside a transaction or outside."""

# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from rowsight.calls.budget import Account
from rowsight.calls.ledger.base import Attempt, Recorded, RunId, RunRecord
from rowsight.calls.ledger.owners import Owner
from rowsight.calls.ledger.rows import (
    ACCOUNT_COLUMNS,
    ANSWER_COLUMNS,
    FAILURE_COLUMNS,
    RUN_COLUMNS,
    account_of,
    answer_of,
    failure_of,
    now,
    run_of,
)
from rowsight.calls.request import Answer
from rowsight.core.errors import InputError, nearest

_MANY = 64
_ONE_ANSWER = f"SELECT key, {ANSWER_COLUMNS} FROM answers WHERE key=?"
_MANY_ANSWERS = f"SELECT key, {ANSWER_COLUMNS} FROM answers WHERE key IN ({','.join('?' * _MANY)})"


def answers_in(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Answer]:
    """Return the answers to ``keys``."""
    found: dict[bytes, Answer] = {}
    whole = len(keys) - len(keys) % _MANY
    for start in range(0, whole, _MANY):
        for row in connection.execute(_MANY_ANSWERS, keys[start : start + _MANY]):
            found[row[0]] = answer_of(row[1:])
    for key in keys[whole:]:
        row = connection.execute(_ONE_ANSWER, (key,)).fetchone()
        if row is not None:
            found[key] = answer_of(row[1:])
    return found


def recorded_in(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Recorded]:
    """Return the provenance of ``keys``: answers, else failures."""
    answered = f"SELECT id, requests, {ANSWER_COLUMNS} FROM answers LEFT JOIN runs ON number=run WHERE key=?"
    failed = f"SELECT id, requests, failures, {FAILURE_COLUMNS} FROM failures LEFT JOIN runs ON number=run WHERE key=?"
    found: dict[bytes, Recorded] = {}
    for key in keys:
        if row := connection.execute(answered, (key,)).fetchone():
            found[key] = Recorded(row[0] or "", answer_of(row[2:]), row[1], 0)
        elif row := connection.execute(failed, (key,)).fetchone():
            found[key] = Recorded(row[0] or "", failure_of(row[3:]), row[1], row[2])
    return found


def holder_of(connection: sqlite3.Connection, key: bytes) -> int | None:
    """Return the owner that is asking ``key``."""
    row = connection.execute("SELECT owner FROM intents WHERE key=?", (key,)).fetchone()
    return None if row is None else row[0]


def alive_in(connection: sqlite3.Connection, owner: int) -> bool:
    """Whether an owner is there and alive."""
    row = connection.execute("SELECT id, host, pid, boot, space, born, expires FROM owners WHERE id=?", (owner,))
    found = row.fetchone()
    return found is not None and Owner(*found[:6]).alive(found[6], now())


def held_in(connection: sqlite3.Connection, key: bytes) -> bool:
    """Whether a live owner is asking ``key``."""
    owner = holder_of(connection, key)
    return owner is not None and alive_in(connection, owner)


def run_number(connection: sqlite3.Connection, run: RunId) -> int | None:
    """Return the number by which rows refer to a run."""
    row = connection.execute("SELECT number FROM runs WHERE id=?", (run,)).fetchone()
    return None if row is None else row[0]


def run_in(connection: sqlite3.Connection, run: RunId) -> RunRecord:
    """Return a run by its id or by a beginning that only it has; else an ``InputError`` with the nearest id."""
    row = connection.execute(f"SELECT {RUN_COLUMNS} FROM runs WHERE id=?", (run,)).fetchone()
    if row is None and run:
        rows = connection.execute(
            f"SELECT {RUN_COLUMNS} FROM runs WHERE substr(id, 1, ?)=?", (len(run), run)
        ).fetchall()
        row = rows[0] if len(rows) == 1 else None
    if row is None:
        raise unknown_run(connection, run)
    return run_of(row, lambda owner: alive_in(connection, owner))


def runs_in(connection: sqlite3.Connection) -> list[RunRecord]:
    """Return all runs, the latest first."""
    rows = connection.execute(f"SELECT {RUN_COLUMNS} FROM runs ORDER BY number DESC").fetchall()
    return [run_of(row, lambda owner: alive_in(connection, owner)) for row in rows]


def unknown_run(connection: sqlite3.Connection, run: RunId) -> InputError:
    """Return the error that a run isn't there, with the nearest id."""
    ids = [name for (name,) in connection.execute("SELECT id FROM runs ORDER BY number DESC LIMIT 1000")]
    return InputError(f"the ledger has no run {run!r}{nearest(run, ids)}")


def account_in(connection: sqlite3.Connection, run: RunId) -> Account:
    """Return a run's account."""
    row = connection.execute(f"SELECT {ACCOUNT_COLUMNS} FROM runs WHERE id=?", (run,)).fetchone()
    if row is None:
        raise unknown_run(connection, run)
    return account_of(row)


def record_in(connection: sqlite3.Connection, run: RunId, name: str) -> dict[str, Any] | None:
    """Return a run's named value."""
    sql = "SELECT value FROM records JOIN runs ON number=run WHERE id=? AND name=?"
    row = connection.execute(sql, (run, name)).fetchone()
    return None if row is None else orjson.loads(row[0])


def attempts_in(connection: sqlite3.Connection, subject: bytes) -> list[Attempt]:
    """Return the attempts at a subject's certificate, in order."""
    sql = "SELECT number, run, at, certificate FROM attempts WHERE subject=? ORDER BY number"
    return [
        Attempt(number, run, at, None if certificate is None else orjson.loads(certificate))
        for number, run, at, certificate in connection.execute(sql, (subject,))
    ]
