"""A loopback server that says again what a real server was recorded to say.

A request is matched by its path, its shape (which of ``response_format``, ``max_tokens``, ``max_completion_tokens``,
``logprobs`` and ``top_logprobs`` are there, and how many turns the conversation has), its question and its row's text.
What a server refuses for its shape alone, such as ``json_schema``, is refused whatever the text; keys that the recorded
server ignores are ignored. Anything else is answered 501 and kept in ``missed``, so that a test can say nothing was.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from rowsight.plan.template import unfence

RECORDINGS = Path(__file__).parent / "recordings"
REFUSED = 400
_QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
NOT_RECORDED = 501


@dataclass(frozen=True)
class Shape:
    """What of a request decides how a server treats it, whatever the text."""

    path: str
    form: str | None
    top_logprobs: bool
    turns: int


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer."""

    request: dict[str, Any] | None
    path: str
    status: int
    headers: dict[str, str]
    body: str

    @property
    def shape(self) -> Shape:
        return shape_of(self.path, self.request or {})

    @property
    def too_long(self) -> bool:
        return "context_length_exceeded" in self.body


def shape_of(path: str, request: dict[str, Any]) -> Shape:
    form = (request.get("response_format") or {}).get("type")
    return Shape(path, form, "top_logprobs" in request, len(request.get("messages", ())))


def load(name: str) -> list[Exchange]:
    """Return the exchanges of a recording, such as ``llama_cpp``."""
    loaded = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return [Exchange(**{k: v for k, v in one.items() if k != "method"}) for one in loaded["exchanges"]]


def same_question(recorded: dict[str, Any], request: dict[str, Any]) -> bool:
    """Say whether two requests ask the same question about the same text, whatever the words around them."""
    theirs, ours = request["messages"], recorded["messages"]
    asked = [_QUESTION.findall(system["content"]) for system in (theirs[0], ours[0])]
    return asked[0] == asked[1] and unfence(theirs[1]["content"]) == unfence(ours[1]["content"])


def _likeness(recorded: dict[str, Any], request: dict[str, Any]) -> int:
    keys = ("max_tokens", "max_completion_tokens", "logprobs", "seed", "temperature", "model")
    return sum(recorded.get(key) == request.get(key) for key in keys)


@dataclass
class Replay:
    """The server: ``async with Replay(load("llama_cpp")) as server`` and ask ``server.base_url``."""

    exchanges: list[Exchange]
    requests: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = ""
    delay: float = 0.0
    """Seconds until an answer, so that first calls overlap."""

    def find(self, path: str, request: dict[str, Any]) -> Exchange | None:
        """Return the exchange that answers a request, ``None`` where nothing like it was recorded."""
        shape = shape_of(path, request)
        alike = [e for e in self.exchanges if e.shape == shape]
        if not shape.turns:
            return alike[0] if alike else None
        same = [e for e in alike if e.request and same_question(e.request, request)]
        if same:
            return max(same, key=lambda e: _likeness(e.request or {}, request))
        first = [e for e in self.exchanges if e.shape.form == shape.form and e.shape.top_logprobs == shape.top_logprobs]
        refusals = [e for e in first if e.status >= REFUSED and not e.too_long and e.path == path]
        return refusals[0] if refusals and len(refusals) == len([e for e in first if e.path == path]) else None

    async def _answer(self, request: web.Request) -> web.Response:
        sent = await request.json() if request.can_read_body else {}
        self.requests.append(sent)
        await asyncio.sleep(self.delay)
        found = self.find(request.path, sent)
        if found is None:
            self.missed.append(sent)
            return web.json_response({"error": {"message": "not recorded"}}, status=NOT_RECORDED)
        return web.Response(status=found.status, text=found.body, headers={**found.headers})

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
