"""An HTTP server on loopback that answers chat completions by a script: a function of the request's JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Script = Callable[["Scripted", dict[str, Any]], Awaitable[web.StreamResponse] | web.StreamResponse]


def completion(content: Any = '{"answer": true}', *, finish: str | None = "stop", **message: Any) -> web.Response:
    return web.json_response(
        {
            "model": "tiny-1",
            "system_fingerprint": "fp",
            "choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
        }
    )


def refusal(status: int, message: str, *, headers: dict[str, str] | None = None, **error: Any) -> web.Response:
    return web.json_response({"error": {"message": message, **error}}, status=status, headers=headers)


class Scripted:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.models = ["tiny"]
        self.in_flight = self.peak = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.paths.append(request.path_qs)
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            answer = self.script(self, body)
            return answer if isinstance(answer, web.StreamResponse) else await answer
        finally:
            self.in_flight -= 1

    async def list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": name} for name in self.models]})


@asynccontextmanager
async def serving(script: Script, port: int = 0):
    scripted = Scripted(script)
    app = web.Application()
    app.router.add_get("/v1/models", scripted.list_models)
    app.router.add_post("/{rest:.*}", scripted.chat)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    scripted.port = site._server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        await runner.cleanup()
