"""Request bodies: the parts that all rows of a question share are built once, a row's own part is put in the middle."""

from __future__ import annotations

from typing import Any

import orjson

from rowsight.calls.capabilities import Capabilities
from rowsight.calls.request import Request
from rowsight.plan.shared import in_words

MOST_KEPT = 128
"""Questions whose parts are kept; beyond that the parts are built anew."""
_ALONE = "\nAnswer with JSON alone, no other text."
_IN_WORDS = "\n\nAnswer with JSON alone, no other text, valid under this JSON Schema:\n"
_REPAIR = "That answer isn't valid: {fault}. Answer the same question again, with valid JSON alone."


class Bodies:
    """Builds the chat completion bodies of one endpoint."""

    __slots__ = ("_kept", "_model")

    def __init__(self, model: str) -> None:
        self._model = model
        self._kept: dict[tuple[int, ...], tuple[bytes, bytes, Request]] = {}

    def body(self, request: Request, bears: Capabilities) -> bytes:
        """Return the JSON body of a request, in the form that the endpoint bears."""
        # Identities serve as the key since the kept request holds on to the objects: hashing a schema costs more.
        key = (id(request.system), id(request.schema), id(request.sampling), bears.version)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = (*self._parts(request, bears), request)
        head, tail, _ = kept
        user = orjson.dumps(request.user)
        if request.repair is None:
            return b"".join((head, user, tail))
        answer, fault = request.repair
        more = [
            {"role": "assistant", "content": answer},
            {"role": "user", "content": _REPAIR.format(fault=fault.rstrip("."))},
        ]
        return b"".join((head, user, b"},", orjson.dumps(more)[1:-2], tail))

    def _parts(self, request: Request, bears: Capabilities) -> tuple[bytes, bytes]:
        """Return what stands before and after the user's text. The shared words come first: prefix caches live on it."""
        system = request.system
        if bears.structure != "json_schema":
            system += _in_words(request.schema)
        head = orjson.dumps({"model": self._model})[:-1] + b',"messages":['
        if system:
            head += orjson.dumps({"role": "system", "content": system}) + b","
        head += b'{"role":"user","content":'
        parameters = orjson.dumps(_parameters(request, bears))[1:]
        return head, b"}]," + parameters


def _in_words(schema: dict[str, Any]) -> str:
    """Return what the prompt says of the answer's form where no schema goes along.

    The question has said already what a plain answer looks like, and small models echo a schema that stands there.
    """
    if in_words(schema):
        return _ALONE
    return _IN_WORDS + orjson.dumps(schema, option=orjson.OPT_SORT_KEYS).decode()


def _parameters(request: Request, bears: Capabilities) -> dict[str, Any]:
    sampling = request.sampling
    found: dict[str, Any] = {bears.limit_name: sampling.max_tokens}
    if sampling.temperature is not None and bears.temperature:
        found["temperature"] = sampling.temperature
    if sampling.seed is not None and bears.seed:
        found["seed"] = sampling.seed
    if sampling.logprobs and bears.logprobs:
        found["logprobs"] = True
    if bears.structure == "json_schema":
        wrapped = {"name": "answer", "schema": request.schema, "strict": _is_strict(request.schema)}
        found["response_format"] = {"type": "json_schema", "json_schema": wrapped}
    elif bears.structure == "json_object":
        found["response_format"] = {"type": "json_object"}
    return found


def _is_strict(schema: Any) -> bool:
    """Whether a schema keeps the rules of strict mode: every object closed, and all of its properties required."""
    if isinstance(schema, list):
        return all(_is_strict(s) for s in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict):
        closed = schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(properties)
        return closed and all(_is_strict(s) for s in (*properties.values(), *schema.get("$defs", {}).values()))
    return schema.get("type") != "object" and all(
        _is_strict(s) for k, s in schema.items() if k not in ("enum", "const")
    )
