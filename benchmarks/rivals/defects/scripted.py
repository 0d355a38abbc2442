"""A model server whose replies a script chooses; standard library only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[int, str], tuple[int, bytes]]


def answer(text: str, tool: str | None = None) -> tuple[int, bytes]:
    """A well-formed chat completion that says ``text``, or calls ``tool`` with it."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tool is not None:
        call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": text}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "sim", "choices": [choice], "usage": usage}
    return 200, json.dumps(body).encode()


@contextmanager
def served(reply: Reply) -> Iterator[tuple[str, list[str]]]:
    """Serve ``reply(number of the call, last message)``; yield the base URL and the prompts as they come."""
    asked: list[str] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content: Any = sent["messages"][-1]["content"]
            prompt = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
            with lock:
                asked.append(prompt)
                number = len(asked)
            status, body = reply(number, prompt)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
