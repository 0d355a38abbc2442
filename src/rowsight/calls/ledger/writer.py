"""The one thread that writes: it takes what has queued up, commits it as one group, and answers all of it at once."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rowsight.calls.ledger.group import Group
from rowsight.calls.ledger.owners import HEARTBEAT_SECONDS, Owner
from rowsight.calls.ledger.schema import explained
from rowsight.core.errors import LedgerError

LARGEST_GROUP = 4096
Hook = Callable[[str], None]
"""Told the name of each step of writing, in the writer's thread, just before it is done; ``committed`` just after."""


def unheard(step: str) -> None:
    """Tell nobody."""


class Op(NamedTuple):
    """One operation of a group: a method of ``Group``, its arguments, and who waits for its result."""

    method: Callable[..., Any]
    args: tuple[Any, ...]
    future: asyncio.Future[Any]


Settled = list[tuple[Op, Any]]


class Writer:
    """Commits operations in groups.

    ``submit`` and what it returns belong to one asyncio loop. Operations of one turn of the loop travel together, and a
    group's results come back by one call, so that an operation costs microseconds. ``failure`` is the first error that
    kept a group from being written.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, owner: Owner, hook: Hook) -> None:
        self.failure: LedgerError | None = None
        self._connection, self._path, self._owner, self._hook = connection, path, owner, hook
        self._queue: queue.SimpleQueue[list[Op] | None] = queue.SimpleQueue()
        self._turn: list[Op] = []
        self._closed = False
        self._next_beat = 0.0
        self._thread = threading.Thread(target=self._serve, name="rowsight-ledger", daemon=True)

    def start(self) -> None:
        """Announce the owner and take operations; raise ``LedgerError`` where the ledger can't be written."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._beat(Group(self._connection, self._owner))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        self._thread.start()

    def submit(self, method: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Queue an operation; the future has its result once it is durable."""
        if self._closed:
            raise LedgerError(f"ledger {self._path}: it is closed; open it again")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self._turn:
            loop.call_soon(self._flush)
        self._turn.append(Op(method, args, future))
        return future

    def abandon(self, method: Callable[..., Any], *args: Any) -> None:
        """Queue an operation whose result nobody waits for; nothing is done once the ledger is closed."""
        if not self._closed:
            self.submit(method, *args).add_done_callback(_heard)

    def close(self) -> None:
        """Write what is queued, give up the owner and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._flush()
        self._queue.put(None)
        self._thread.join()

    def _flush(self) -> None:
        if self._turn:
            self._queue.put(self._turn)
            self._turn = []

    def _serve(self) -> None:
        try:
            while (ops := self._take()) is not None:
                _deliver(self._settled(ops))
            self._farewell()
        finally:
            self._connection.close()

    def _take(self) -> list[Op] | None:
        """Return the next operations, none at a heartbeat, ``None`` at the end."""
        try:
            first = self._queue.get(timeout=max(0.0, self._next_beat - time.monotonic()))
        except queue.Empty:
            return []
        if first is None:
            return None
        ops = first
        while len(ops) < LARGEST_GROUP:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            ops += more
        return ops

    def _settled(self, ops: list[Op]) -> Settled:
        """Write a group. Where one operation is at fault, each is written by itself, so that only it fails."""
        try:
            return self._written(ops)
        except sqlite3.DatabaseError as error:
            self._roll_back()
            failure = explained(error, self._path)
            self.failure = self.failure or failure
            return [(op, failure) for op in ops]
        except Exception as error:  # noqa: BLE001 - boundary of the thread: every operation gets an answer
            self._roll_back()
            if len(ops) <= 1:
                return [(op, error) for op in ops]
            return [settled for op in ops for settled in self._settled([op])]

    def _written(self, ops: list[Op]) -> Settled:
        hook, group = self._hook, Group(self._connection, self._owner)
        hook("begin")
        self._connection.execute("BEGIN IMMEDIATE")
        settled: Settled = []
        for op in ops:
            hook(op.method.__name__)
            settled.append((op, op.method(group, *op.args)))
        group.write_accounts()
        self._beat(group)
        hook("commit")
        self._connection.execute("COMMIT")
        hook("committed")
        return settled

    def _beat(self, group: Group) -> None:
        """Every group moves the lease, so that a claim never stands in the ledger without its owner."""
        group.beat()
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS

    def _roll_back(self) -> None:
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                self.failure = self.failure or explained(error, self._path)

    def _farewell(self) -> None:
        """Give up the owner. Where that can't be written, others see that the process is gone."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            group = Group(self._connection, self._owner)
            group.leave()
            group.write_accounts()
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()


def _heard(done: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody waits for: the writer keeps its own."""
    if not done.cancelled():
        done.exception()


def _deliver(settled: Settled) -> None:
    if not settled:
        return
    loop = settled[0][0].future.get_loop()
    try:
        loop.call_soon_threadsafe(_resolve, settled)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


def _resolve(settled: Settled) -> None:
    for op, result in settled:
        if op.future.cancelled():
            continue
        if isinstance(result, LedgerError):
            op.future.set_exception(LedgerError(str(result)))
        elif isinstance(result, Exception):
            op.future.set_exception(result)
        else:
            op.future.set_result(result)
