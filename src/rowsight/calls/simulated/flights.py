"""A reply's way to its client: a place among ``capacity`` at once, then its latency."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from rowsight.calls.simulated.chat import Reply

Done = Callable[[Reply, bool], None]
"""``done(reply, delivered)``"""


class Line:
    """At most ``capacity`` replies are under way (``None``: any number); the others wait in order."""

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self._busy = 0
        self._waiting: deque[Flight] = deque()

    def join(self, flight: Flight) -> None:
        """Start ``flight`` now, or when it's its turn."""
        self._waiting.append(flight)
        self._advance()

    def leave(self) -> None:
        """Free a place."""
        self._busy -= 1
        self._advance()

    def _advance(self) -> None:
        while self._waiting and (self._capacity is None or self._busy < self._capacity):
            flight = self._waiting.popleft()
            if not flight.over:
                self._busy += 1
                flight.start()


class Flight:
    """One reply under way: sent after its latency, never (a hang), or abandoned by its client."""

    def __init__(self, line: Line, reply: Reply, send: Callable[[Reply], None], done: Done) -> None:
        self._line, self._reply, self._send, self._done = line, reply, send, done
        self._timer: asyncio.TimerHandle | None = None
        self._started = False
        self.over = False

    def start(self) -> None:
        """Begin the latency; the line calls it."""
        self._started = True
        if self._reply.fate != "hang":
            self._timer = asyncio.get_running_loop().call_later(self._reply.delay, self._land)

    def abandon(self) -> None:
        """Give up: the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.over:
            self._finish(delivered=False)

    def _land(self) -> None:
        self._finish(delivered=True)
        self._send(self._reply)

    def _finish(self, *, delivered: bool) -> None:
        self.over = True
        self._done(self._reply, delivered)
        if self._started:
            self._line.leave()
