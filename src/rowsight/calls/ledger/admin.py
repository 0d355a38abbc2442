"""Looking after a ledger: what it holds, whether it is sound, forgetting, exporting; synchronous, for the command line."""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rowsight.calls.ledger.base import RunId, RunRecord
from rowsight.calls.ledger.export import exported
from rowsight.calls.ledger.reading import run_in, runs_in
from rowsight.calls.ledger.schema import connect, connect_readonly, explained, file_in

_MOST_PROBLEMS = 20
_PARTS = ("calls", "tokens", "microusd")


class LedgerAdmin:
    """The ledger of a state directory, opened anew for each question; ``LedgerError`` where it can't be read.

    All but ``forget`` read alone, so they work on a ledger that can't be written.
    """

    def __init__(self, directory: Path) -> None:
        self.path = file_in(directory)

    def runs(self) -> list[RunRecord]:
        """Return all runs, the latest first; none where there is no ledger yet."""
        if not self.path.exists():
            return []
        with self._reading() as connection:
            return runs_in(connection)

    def run(self, run: RunId) -> RunRecord:
        """Return a run by its id or by a beginning that only it has; else an ``InputError`` with the nearest id."""
        with self._reading() as connection:
            return run_in(connection, run)

    def stats(self) -> dict[str, Any]:
        """Return what the ledger holds: counts, answers by model, failures by reason, tokens, dollars, bytes.

        ``cost`` counts the answers whose price is known; ``cost_unknown`` says how many have none.
        """
        with self._reading() as connection:
            one = "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost), count(*) - count(cost) FROM "
            answers, prompt, completion, cost, unpriced = connection.execute(one + "answers").fetchone()
            return {
                "path": str(self.path),
                "bytes": sum(p.stat().st_size for p in self._files()),
                "runs": _count(connection, "runs"),
                "answers": answers,
                "failures": _count(connection, "failures"),
                "in_flight": _count(connection, "intents"),
                "prompts": _count(connection, "prompts"),
                "prompt_tokens": prompt or 0,
                "completion_tokens": completion or 0,
                "cost": cost,
                "cost_unknown": unpriced,
                "models": _tally(connection, "model", "answers"),
                "reasons": _tally(connection, "reason", "failures"),
            }

    def verify(self) -> dict[str, Any]:
        """Check the file's pages and that the accounts agree with the calls in flight.

        Returns ``ok``, the ``problems`` in words, and the number of readable ``answers`` (``None`` if damaged).
        """
        with self._reading() as connection:
            problems = _damage(connection)
            answers = None
            if not problems:
                problems = _contradictions(connection)
                answers = _count(connection, "answers")
        return {"ok": not problems, "problems": problems, "answers": answers}

    def forget(
        self,
        *,
        run: RunId | None = None,
        model: str | None = None,
        before: float | None = None,
        failures_only: bool = False,
    ) -> int:
        """Delete the outcomes that meet all conditions given (``before``: Unix time) and return how many.

        Prompts go with their answers; accounts and attempts at certificates stay: what was spent stays spent, and a
        forgotten attempt would still have been one. ``model`` is the name that the server gave, so it meets no failures.
        """
        self._reading_possible()
        with closing(connect(self.path)) as connection, self._explaining():
            number = None if run is None else _number(connection, run)
            connection.execute("BEGIN IMMEDIATE")
            gone = 0 if model is not None else _delete(connection, "failures", run=number, at=before)
            if not failures_only:
                gone += _delete(connection, "answers", run=number, at=before, model=model)
            known = "(SELECT key FROM answers UNION SELECT key FROM failures UNION SELECT key FROM intents)"
            connection.execute(f"DELETE FROM prompts WHERE key NOT IN {known}")
            connection.execute("COMMIT")
            connection.execute("VACUUM")
        return gone

    def export(self, path: Path) -> dict[str, int]:
        """Write every answer and failure to ``path`` (.jsonl, .ndjson or .parquet), of a newer or damaged ledger, too.

        Returns counts: ``answers``, ``failures`` and ``gaps``, the damaged places that were passed over.
        """
        with self._reading(any_version=True) as connection:
            return exported(connection, path)

    def _files(self) -> Iterator[Path]:
        for suffix in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + suffix)
            if path.exists():
                yield path

    def _reading_possible(self) -> None:
        connect_readonly(self.path).close()

    @contextmanager
    def _reading(self, *, any_version: bool = False) -> Iterator[sqlite3.Connection]:
        with closing(connect_readonly(self.path, any_version=any_version)) as connection, self._explaining():
            yield connection

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self.path) from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def _tally(connection: sqlite3.Connection, column: str, table: str) -> dict[str, int]:
    return dict(connection.execute(f"SELECT {column}, count(*) FROM {table} GROUP BY 1 ORDER BY 2 DESC").fetchall())


def _damage(connection: sqlite3.Connection) -> list[str]:
    try:
        found = [text for (text,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def _contradictions(connection: sqlite3.Connection) -> list[str]:
    """Return where accounts and intents disagree, read in one transaction."""
    sums = ", ".join(f"coalesce(sum(intents.{part}), 0)" for part in _PARTS)
    reserved = ", ".join(f"reserved_{part}" for part in _PARTS)
    connection.execute("BEGIN")
    rows = connection.execute(
        f"SELECT id, {reserved}, {sums} FROM runs LEFT JOIN intents ON intents.run=number GROUP BY number"
    ).fetchall()
    connection.execute("COMMIT")
    return [
        f"run {run}: {amount} {part} are reserved, but the calls in flight hold {held}"
        for run, *amounts in rows
        for part, amount, held in zip(_PARTS, amounts[:3], amounts[3:], strict=True)
        if amount != held
    ]


def _number(connection: sqlite3.Connection, run: RunId) -> int:
    found: int = connection.execute("SELECT number FROM runs WHERE id=?", (run_in(connection, run).id,)).fetchone()[0]
    return found


def _delete(connection: sqlite3.Connection, table: str, **conditions: Any) -> int:
    given = {column: value for column, value in conditions.items() if value is not None}
    where = " AND ".join(f"{column}{'<' if column == 'at' else '='}?" for column in given) or "true"
    return connection.execute(f"DELETE FROM {table} WHERE {where}", tuple(given.values())).rowcount
