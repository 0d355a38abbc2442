"""The simulated model server: in a thread, in the running loop, or as a process of its own."""

from __future__ import annotations

import asyncio
import hmac
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import orjson

from rowsight.calls.simulated.chat import MODEL, ChatModel, Reply, error_reply
from rowsight.calls.simulated.config import SimulationConfig
from rowsight.calls.simulated.embeddings import embeddings
from rowsight.calls.simulated.flights import Flight, Line
from rowsight.calls.simulated.protocol import HttpProtocol, HttpRequest
from rowsight.calls.simulated.rows import KnownRows, Rows
from rowsight.core.errors import InputError

_BACKLOG = 4096
_STOP_SECONDS = 10
_TOO_MANY = 429


class SimulatedServer:
    """An OpenAI-compatible server on loopback that answers from a table's truth.

    ``with SimulatedServer(config, rows) as server`` serves from a thread, ``async with`` from the running loop; both
    give ``server.base_url``. Columns that ``rows`` lack are a ``ColumnError``, an address that can't be had an
    ``InputError``. The rows are read once, at construction; a server can be started again after it was stopped, on the
    same port.
    """

    def __init__(self, config: SimulationConfig, rows: Rows) -> None:
        columns = tuple(dict.fromkeys(truth.column for truth in config.truths))
        self.config = config
        self.model = ChatModel(config, KnownRows(rows, config.text, columns))
        self.port = config.port
        self._line = Line(config.capacity)
        self._connections: set[HttpProtocol] = set()
        self._listener: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The base URL that clients take, ending in ``/v1``."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        """Return the counts that GET /stats gives."""
        return self.model.stats.as_dict()

    def reset(self) -> None:
        """Forget all calls, as POST /reset does."""
        self.model.reset()

    def kill_connections(self) -> None:
        """Abort every open connection, as a crash would. From the server's own thread or loop only."""
        for connection in tuple(self._connections):
            connection.abort()

    async def open(self) -> None:
        """Listen, from the running loop."""
        self._loop = loop = asyncio.get_running_loop()

        def connect() -> HttpProtocol:
            return HttpProtocol(self._handle, self._connections)

        try:
            self._listener = await loop.create_server(connect, self.config.host, self.port, backlog=_BACKLOG)
        except OSError as error:
            raise InputError(
                f"the simulated server can't listen on {self.config.host}:{self.port}: {error.strerror}; try port 0"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and abort all connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.kill_connections()
        await asyncio.sleep(0)

    def start(self) -> None:
        """Listen, in a thread with a loop of its own."""
        started = threading.Event()
        failure: list[InputError] = []
        stop = self._stop = asyncio.Event()

        async def main() -> None:
            try:
                await self.open()
            except InputError as error:
                failure.append(error)
                return
            finally:
                started.set()
            await stop.wait()
            await self.close()

        self._thread = threading.Thread(target=_run, args=(main,), name="simulated-server", daemon=True)
        self._thread.start()
        started.wait()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        """Stop the server that ``start`` began; its open calls are dropped."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_SECONDS)
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _handle(self, request: HttpRequest, send: Callable[[Reply], None]) -> Callable[[], None]:
        """Route a request; return what to call if its client goes away."""
        chat = request.path == b"/v1/chat/completions" and request.method == b"POST"
        key = self.config.require_key
        if key is None or not request.path.startswith(b"/v1/") or _has_key(request.authorization, key):
            reply = self._chat(request.body) if chat else self._plain(request)
        else:
            self.model.stats.requests += chat
            self.model.stats.rejected += chat
            chat, reply = False, error_reply(401, "Incorrect API key provided.", code="invalid_api_key")
        if chat and not self._at_once(reply):
            flight = Flight(self._line, reply, send, self.model.done)
            self._line.join(flight)
            return flight.abandon
        if chat:
            self.model.done(reply, True)
        send(reply)
        return _nothing

    def _at_once(self, reply: Reply) -> bool:
        """Whether a reply needs neither time nor a place: refused at the door, or nothing takes time."""
        if reply.kind == "rejected" or reply.status == _TOO_MANY:
            return True
        return reply.fate != "hang" and not reply.delay and self.config.capacity is None

    def _plain(self, request: HttpRequest) -> Reply:
        """Return the reply to everything but a chat completion."""
        match request.method, request.path:
            case b"GET", b"/v1/models":
                entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "rowsight"}
                return _ok({"object": "list", "data": [entry]})
            case b"POST", b"/v1/embeddings":
                return self._embed(request.body)
            case b"GET", b"/stats":
                return _ok(self.stats())
            case b"POST", b"/reset":
                self.reset()
                return _ok({"reset": True})
        name = request.path.decode(errors="replace")
        return error_reply(404, f"Unknown request URL: {request.method.decode()} {name}.", code="unknown_url")

    def _embed(self, body: bytes) -> Reply:
        self.model.stats.embeddings += 1
        try:
            return _ok(embeddings(orjson.loads(body)))
        except ValueError as error:
            return error_reply(400, f"Invalid request: {error}")

    def _chat(self, body: bytes) -> Reply:
        try:
            return self.model.chat(body)
        except Exception as error:  # noqa: BLE001 - the boundary of a user's hook, which may raise anything
            return error_reply(500, f"The hook failed: {type(error).__name__}: {error}")


def serve(config: SimulationConfig, rows: Rows, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready(base_url)`` is called once the server listens. Main thread only."""
    server = SimulatedServer(config, rows)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with server:
            ready(server.base_url)
            await stop.wait()

    _run(main)


def _run(main: Callable[[], Any]) -> None:
    """Run a coroutine on uvloop where there is one."""
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop  # noqa: PLC0415 - there is none on Windows

    uvloop.run(main())


def _has_key(authorization: bytes, key: str) -> bool:
    return hmac.compare_digest(authorization, f"Bearer {key}".encode())


def _ok(body: Any) -> Reply:
    return Reply(200, orjson.dumps(body))


def _nothing() -> None:
    """Undo nothing: the reply was sent."""
