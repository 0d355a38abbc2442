"""The ledger's file: its tables, how it is opened, and what its errors mean to a user."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from rowsight.core.errors import LedgerError

FILE_NAME = "ledger.sqlite"
VERSION = 1
BUSY_SECONDS = 20.0
_APPLICATION = 0x526F7753  # "RowS": tells a ledger from any other SQLite file

TABLES = """
CREATE TABLE owners(
  id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, boot TEXT NOT NULL, space TEXT NOT NULL,
  born TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE runs(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, status TEXT NOT NULL,
  owner INTEGER NOT NULL, started REAL NOT NULL, ended REAL, resumed INTEGER NOT NULL DEFAULT 0, report TEXT,
  unit TEXT, cap INTEGER,
  spent_calls INTEGER NOT NULL DEFAULT 0, spent_tokens INTEGER NOT NULL DEFAULT 0,
  spent_microusd INTEGER NOT NULL DEFAULT 0, reserved_calls INTEGER NOT NULL DEFAULT 0,
  reserved_tokens INTEGER NOT NULL DEFAULT 0, reserved_microusd INTEGER NOT NULL DEFAULT 0);
CREATE TABLE intents(
  key BLOB PRIMARY KEY, run INTEGER NOT NULL, owner INTEGER NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL,
  microusd INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE answers(
  key BLOB PRIMARY KEY, run INTEGER NOT NULL, requests INTEGER NOT NULL, text TEXT NOT NULL, model TEXT NOT NULL,
  endpoint TEXT NOT NULL, at REAL NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL, cost REAL, fingerprint TEXT, logprob REAL) WITHOUT ROWID;
CREATE TABLE failures(
  key BLOB PRIMARY KEY, run INTEGER NOT NULL, requests INTEGER NOT NULL, failures INTEGER NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, endpoint TEXT, at REAL NOT NULL, prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, cost REAL) WITHOUT ROWID;
CREATE TABLE prompts(key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records(
  run INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(run, name)) WITHOUT ROWID;
CREATE TABLE attempts(
  subject BLOB NOT NULL, number INTEGER NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, certificate TEXT,
  PRIMARY KEY(subject, number)) WITHOUT ROWID;
"""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and run the same command again, all recorded answers are kept",
    sqlite3.SQLITE_IOERR: (
        "the disk is full, over a quota or failing: make room and run the same command again, all recorded answers are kept"
    ),
    sqlite3.SQLITE_READONLY: "it can't be written: make the file and its directory writable, or choose another --state",
    sqlite3.SQLITE_PERM: "it can't be written: make the file and its directory writable, or choose another --state",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened: check that the path is a directory of yours, or choose another --state",
    sqlite3.SQLITE_BUSY: "another process keeps it locked: end that process, or choose another --state",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked: end that process, or choose another --state",
    sqlite3.SQLITE_NOTADB: "the file is not a ledger: move it away, or choose another --state",
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged: 'rowsight ledger export FILE' saves what is readable; then move the ledger away"
    ),
}


def explained(error: sqlite3.Error, path: Path) -> LedgerError:
    """Return what an SQLite error means for the ledger at ``path``, with the remedy."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    remedy = _REMEDIES.get(code, "'rowsight ledger verify' tells what is wrong with it")
    return LedgerError(f"ledger {path}: {remedy} (SQLite: {error})")


def file_in(directory: Path) -> Path:
    """Return where the ledger of a state directory lies."""
    return directory / FILE_NAME


def create(directory: Path) -> Path:
    """Make the state directory (0700) and an empty ledger file (0600), where they are missing; return the file."""
    path = file_in(directory)
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise LedgerError(
            f"ledger {path}: {error.strerror}; make the file and its directory writable, or choose another --state"
        ) from error
    return path


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the ledger for writing, its tables made if it is new; durable at every commit.

    Raises ``LedgerError`` for anything that isn't a ledger of this version.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        _prepare(connection, path, busy_seconds)
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def connect_readonly(path: Path, *, any_version: bool = False) -> sqlite3.Connection:
    """Open a ledger for reading alone, in a directory that can't be written too."""
    if not path.exists():
        raise LedgerError(f"ledger {path}: there is none yet; a run makes it, or choose another --state")
    for option in ("mode=ro", "immutable=1"):
        uri = f"{path.absolute().as_uri()}?{option}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _check_kind(connection, path, any_version=any_version)
        except sqlite3.Error as error:
            connection.close()
            failure = explained(error, path)
            continue
        except LedgerError:
            connection.close()
            raise
        return connection
    raise failure


def _prepare(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    if not _check_kind(connection, path):
        _into_wal(connection, busy_seconds)
        _make_tables(connection, path)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    connection.execute("PRAGMA cache_size=-65536")


def _check_kind(connection: sqlite3.Connection, path: Path, *, any_version: bool = False) -> bool:
    """Return whether the ledger has its tables; raise for another program's file or a newer version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        return False
    if application != _APPLICATION:
        raise LedgerError(f"ledger {path}: this is another program's SQLite file; choose another --state")
    if version > VERSION and not any_version:
        raise LedgerError(
            f"ledger {path}: a newer Rowsight wrote it (format {version}, this one knows {VERSION}); upgrade rowsight, or "
            "choose another --state; 'rowsight ledger export FILE' still reads it"
        )
    return True


def _into_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Turn the journal to WAL. SQLite doesn't wait by itself when two processes do so at once."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if not _check_kind(connection, path):
        for statement in TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
