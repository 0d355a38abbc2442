"""HTTP/1.1 on a bare ``asyncio.Protocol``: keep-alive, pipelined requests answered in order, chunked bodies.

httptools parses; nothing else stands between the socket and the model: the server must cost less than its clients.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

from rowsight.calls.simulated.chat import Reply

_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    404: b"Not Found",
    405: b"Method Not Allowed",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
}


@dataclass(slots=True)
class HttpRequest:
    """One complete request."""

    method: bytes
    path: bytes
    authorization: bytes
    body: bytes
    keep_alive: bool


Handle = Callable[[HttpRequest, Callable[[Reply], None]], Callable[[], None]]
"""``handle(request, reply)`` calls ``reply`` once, now or later, and returns what to call if the client goes first."""


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, handle: Handle, connections: set[HttpProtocol]) -> None:
        self._handle = handle
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[HttpRequest] = deque()
        self._current: HttpRequest | None = None
        self._abandon: Callable[[], None] | None = None
        self._pumping = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape alone
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Give up what is under way."""
        self._transport = None
        self._connections.discard(self)
        self._waiting.clear()
        if self._abandon is not None:
            abandon, self._abandon = self._abandon, None
            abandon()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and handle what is complete."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                self._transport.close()
            return
        self._pump()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request (httptools calls this)."""
        self._path = self._authorization = b""
        self._pieces: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """Take a piece of the path (httptools calls this)."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header (httptools calls this)."""
        lowered = name.lower()
        if lowered == b"authorization":
            self._authorization = value
        elif lowered == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body (httptools calls this)."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Put the request in line (httptools calls this)."""
        parser = self._parser
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        path = self._path.partition(b"?")[0]
        request = HttpRequest(parser.get_method(), path, self._authorization, body, parser.should_keep_alive())
        self._waiting.append(request)

    def _pump(self) -> None:
        """Handle waiting requests, one at a time, until one has to wait; never recursing into itself."""
        if self._pumping:
            return
        self._pumping = True
        while self._waiting and self._current is None and self._transport is not None:
            self._current = self._waiting.popleft()
            abandon = self._handle(self._current, self._reply)
            if self._current is not None:
                self._abandon = abandon
        self._pumping = False

    def _reply(self, reply: Reply) -> None:
        request, self._current, self._abandon = self._current, None, None
        transport = self._transport
        if request is None or transport is None:
            return
        if reply.fate == "drop":
            transport.abort()
            return
        transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\n%b%bContent-Length: %d\r\n\r\n%b"
            % (
                reply.status,
                _REASONS[reply.status],
                reply.headers,
                b"" if request.keep_alive else b"Connection: close\r\n",
                len(reply.body),
                reply.body,
            )
        )
        if not request.keep_alive:
            transport.close()
        self._pump()
