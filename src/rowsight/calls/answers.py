"""What a model said, read strictly: one JSON value, valid under the question's schema, or words that say why not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import orjson

from rowsight.plan.schema import InvalidAnswerError
from rowsight.plan.validation import validator_for

MOST_CANDIDATES = 64
"""Braces looked at in prose: bounds the work that a hostile answer can cause."""
_FENCE = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\r?\n(.*?)\n?[ \t]*```", re.DOTALL)
_SEVERAL = "the answer holds more than one JSON object; give exactly one"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidAnswerError("a key stands twice in one JSON object; give each key once")
    return found


def _constant(name: str) -> Any:
    raise InvalidAnswerError(f"{name} is not JSON; use null for an unknown number")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidAnswerError("a number is too large; give one that fits a double")
    return number


def strict_decoder(objects: Callable[[list[tuple[str, Any]]], Any]) -> json.JSONDecoder:
    """Return a decoder of JSON without ``NaN``, infinities and numbers beyond doubles; ``objects`` makes objects of pairs."""
    return json.JSONDecoder(object_pairs_hook=objects, parse_constant=_constant, parse_float=_float)


_DECODER = strict_decoder(_object)


def parse_json_strictly(text: str, decoder: json.JSONDecoder = _DECODER) -> Any:
    """Return the one JSON value of an answer; raise ``InvalidAnswerError`` with words for the model where there is none.

    Accepted: JSON alone, JSON in a single code fence, or a single JSON object amid prose. Not accepted: no JSON, two
    objects, a repeated key, ``NaN`` or ``Infinity``, a number beyond doubles, JSON that is cut off.
    """
    try:
        return decoder.decode(text)
    except ValueError as error:
        if isinstance(error, InvalidAnswerError):
            raise
    except RecursionError:
        raise InvalidAnswerError("the answer nests too deeply") from None
    return _embedded(text, decoder)


def _embedded(text: str, decoder: json.JSONDecoder) -> Any:
    if not text.strip():
        raise InvalidAnswerError("the answer is empty; give JSON")
    fences = _FENCE.findall(text)
    if len(fences) > 1:
        raise InvalidAnswerError("the answer holds more than one code fence; give one JSON value and nothing else")
    if not fences:
        return _only_object(text, decoder)
    if _objects(_FENCE.sub("", text), decoder):
        raise InvalidAnswerError(_SEVERAL)
    try:
        return decoder.decode(fences[0])
    except json.JSONDecodeError as error:
        raise InvalidAnswerError(f"the code fence doesn't hold JSON: {error.msg} at character {error.pos}") from None


def _only_object(text: str, decoder: json.JSONDecoder) -> Any:
    objects = _objects(text, decoder)
    if len(objects) > 1:
        raise InvalidAnswerError(_SEVERAL)
    if objects:
        return objects[0]
    if "{" in text:
        raise InvalidAnswerError("the answer holds no complete JSON object; give one JSON object and nothing else")
    raise InvalidAnswerError("the answer is not JSON; give one JSON object and nothing else")


def _objects(text: str, decoder: json.JSONDecoder) -> list[Any]:
    """Return the JSON objects that stand in prose, at most two of them."""
    found: list[Any] = []
    at = text.find("{")
    for _ in range(MOST_CANDIDATES):
        if at < 0 or len(found) > 1:
            break
        try:
            value, end = decoder.raw_decode(text, at)
            found.append(value)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    return found


class PartlyAnsweredError(InvalidAnswerError):
    """An answer about several rows that isn't valid as a whole; ``rows`` are the texts of the rows that are, by number."""

    def __init__(self, fault: str, rows: dict[int, str]) -> None:
        super().__init__(fault)
        self.rows = rows


class Checker:
    """Checks answers to one question: strict JSON, its schema, and what the answer type says is no answer.

    ``read`` turns a schema-valid value into a Python value, or raises ``InvalidAnswerError``; ``None`` checks the schema
    alone. A schema that isn't one raises ``SchemaError``.
    """

    def __init__(self, schema: dict[str, Any], read: Callable[[Any], Any] | None = None) -> None:
        self._validator = validator_for(schema, mask="the value")
        self._read = read

    def __call__(self, text: str) -> str:
        """Return the canonical JSON text of a valid answer; raise ``InvalidAnswerError`` with words for a repair."""
        return self.checked(parse_json_strictly(text))

    def checked(self, value: Any) -> str:
        """Return the canonical JSON text of a valid value; raise ``InvalidAnswerError`` as for a text."""
        try:
            fault = None if self._validator.is_valid(value) else self._fault(value)
        except UnicodeEncodeError:
            fault = "the answer holds half of a surrogate pair; give whole characters"
        if fault is not None:
            raise InvalidAnswerError(fault)
        if self._read is not None:
            self._read(value)
        return canonical(value)

    def _fault(self, value: Any) -> str:
        error = next(iter(self._validator.iter_errors(value)))
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.instance_path).lstrip(".")
        return f"at {where or 'the top'}: {' '.join(error.message.split())}"


def canonical(value: Any) -> str:
    """Return a JSON value as the one text that is kept of it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
