"""What a chat request asks: its messages as text, the form it wants, and where its row stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rowsight.calls.simulated.texts import RowTexts
from rowsight.plan.shared import unfence_rows
from rowsight.plan.template import unfence

_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class BadRequestError(ValueError):
    """The body isn't a chat request."""


@dataclass(slots=True)
class Asked:
    """One chat request. ``prompt`` is all messages in one text, ``users`` the user messages, ``last`` the last of them."""

    body: dict[str, Any]
    model: str
    prompt: str
    users: list[str]

    @classmethod
    def of(cls, body: Any) -> Asked:
        """Read a request's JSON; ``BadRequestError`` where it isn't one."""
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            raise BadRequestError("you must provide a model parameter")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise BadRequestError("'messages' must be a list of at least one message")
        texts = [_text(message.get("content")) for message in messages]
        users = [text for m, text in zip(messages, texts, strict=True) if m.get("role") == "user"]
        prompt = "\x1e".join([f"{m.get('role')}\x1f{text}" for m, text in zip(messages, texts, strict=True)])
        return cls(body, body["model"], prompt, users or texts[-1:])

    @property
    def last(self) -> str:
        """The last user message; the last message where no user speaks."""
        return self.users[-1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as they came."""
        return list(self.body["messages"])

    @property
    def tool(self) -> dict[str, Any] | None:
        """The function that the request wants called: the one it names, else the first."""
        functions = [t["function"] for t in self.body.get("tools") or () if isinstance(t.get("function"), dict)]
        choice = self.body.get("tool_choice", "auto")
        if not functions or choice == "none":
            return None
        name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
        return dict(next((f for f in functions if f.get("name") == name), functions[0]))

    @property
    def format_type(self) -> str:
        """``json_schema``, ``json_object`` or ``text``."""
        wanted = self.body.get("response_format")
        return str(wanted.get("type", "text")) if isinstance(wanted, dict) else "text"

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema that the answer must have, if the request carries one."""
        carried = self.body["response_format"].get("json_schema") if self.format_type == "json_schema" else None
        schema = carried.get("schema") if isinstance(carried, dict) else None
        if schema is None and (tool := self.tool):
            schema = tool.get("parameters")
        return dict(schema) if isinstance(schema, dict) else None

    @property
    def max_tokens(self) -> int | None:
        """The completion's limit, if there is one."""
        limit = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        return limit if isinstance(limit, int) else None

    def row(self, texts: RowTexts) -> tuple[int, bytes] | None:
        """Return the number and text of the row that is asked about: that of the last user message that holds one.

        So a conversation that goes on, such as one that repairs an answer, is still about its row.
        """
        return next((found for said in reversed(self.users) if (found := _row_in(said, texts))), None)

    def rows(self, texts: RowTexts) -> dict[int, tuple[int, bytes] | None]:
        """Return the rows by their number in a request about several; empty for a request about one.

        As in ``row``, a row is its longest value that is known; ``None`` where none of its values is.
        """
        numbered = next(
            (found for said in reversed(self.users) if "<<<1-" in said and (found := unfence_rows(said))), {}
        )
        return {number: _longest_known([v.encode() for v in values], texts) for number, values in numbered.items()}


def _row_in(said: str, texts: RowTexts) -> tuple[int, bytes] | None:
    """Return the row in a message: a fence's content, else the longest substring."""
    fenced = [value.encode() for _, value in unfence(said)] if "<<<" in said else []
    if known := _longest_known(fenced, texts):
        return known
    best = texts.longest_in(said.encode())
    if "\\" in said:
        unescaped = texts.longest_in(_unescape(said).encode(errors="replace"))
        best = max(best or b"", unescaped or b"", key=len)
    number = texts.find(best) if best else None
    return None if best is None or number is None else (number, best)


def _longest_known(values: list[bytes], texts: RowTexts) -> tuple[int, bytes] | None:
    known = [(number, value) for value in values if (number := texts.find(value)) is not None]
    return max(known, key=lambda pair: len(pair[1]), default=None)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _unescape(text: str) -> str:
    """Return ``text`` with JSON's escapes undone, as a value stands in a prompt that dumps its row as JSON."""

    def plain(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPED[code]

    joined = _ESCAPE.sub(plain, text)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
