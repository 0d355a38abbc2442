"""The form of an answer: a truth value put into whatever the request asks for.

A ``Form`` is made of the request's JSON Schema, or of the prompt's words where there is none, and renders a truth value
as the text that a model would give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

Schema = dict[str, Any]

_YES = frozenset({"yes", "true", "y", "t", "1"})
_NO = frozenset({"no", "false", "n", "f", "0"})
_ANSWER_NAMES = (
    "answer",
    "label",
    "result",
    "output",
    "value",
    "category",
    "class",
    "topic",
    "decision",
    "response",
)
_EXAMPLE = re.compile(r'\{\s*"(\w+)"\s*:\s*(true|false|\[|number|")')
_EXAMPLE_TYPE = {"true": "boolean", "false": "boolean", "[": "array", "number": "number", '"': "string"}
_FIELD = re.compile(r"^- (\w+)(?: \((\w+)\b)?", re.MULTILINE)
_TRUE_FALSE = re.compile(r"\b(true|false)\b", re.IGNORECASE)
_ONE_ZERO = re.compile(r"\b1\b.{0,12}\byes\b.{0,12}\b0\b.{0,12}\bno\b", re.IGNORECASE)
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_MOST_BRACES = 20
_MOST_TRIES = 20


class CannotAnswerError(ValueError):
    """The truth can't take the form that the request asks for."""


@dataclass(frozen=True)
class Form:
    """How to answer: as JSON under ``schema``, or as plain text (``None``) with ``words`` for yes and no."""

    schema: Schema | None
    words: tuple[str, str] = ("Yes", "No")

    @classmethod
    def of_prompt(cls, prompt: str, *, as_json: bool) -> Form:
        """Return the form that the words of a prompt (without its row) ask for; ``as_json`` where JSON is demanded."""
        schema = _schema_in(prompt)
        if schema is not None:
            return cls(schema)
        if as_json or re.search(r"\bjson\b", prompt, re.IGNORECASE):
            return cls(_example_in(prompt))
        if _ONE_ZERO.search(prompt):
            return cls(None, ("1", "0"))
        asks_true = _TRUE_FALSE.search(prompt) and not _YES_NO.search(prompt)
        return cls(None, ("True", "False") if asks_true else ("Yes", "No"))

    def render(self, truth: Any) -> str:
        """Return the answer's text; ``CannotAnswerError`` where ``truth`` has no such form."""
        if self.schema is None:
            return _plain(truth, self.words)
        return orjson.dumps(_value(self.schema, truth, self.schema), default=str).decode()

    def render_wrong(self, truth: Any, others: Sequence[Any], pick: int) -> str:
        """Return a well-formed answer that is not ``truth``'s, chosen by the number ``pick``."""
        right = self.render(truth)
        for candidate in self._candidates(truth, others, pick):
            try:
                wrong = self.render(candidate)
            except CannotAnswerError:
                continue
            if wrong != right:
                return wrong
        raise CannotAnswerError("there is no other answer")

    def _candidates(self, truth: Any, others: Sequence[Any], pick: int) -> Iterator[Any]:
        if isinstance(truth, bool):
            yield not truth
        labels = [label for label in _labels(self.schema) if label != truth]
        for pool in (labels, others):
            for i in range(min(len(pool), _MOST_TRIES)):
                yield pool[(pick + i) % len(pool)]
        if isinstance(truth, (int, float)):
            yield from (truth + 1, truth - 1, not truth)
        yield f"not {truth}"


def _schema_in(prompt: str) -> Schema | None:
    """Return the first JSON Schema of an object that is written out in ``prompt``."""
    decoder = json.JSONDecoder()
    position = -1
    for _ in range(_MOST_BRACES):
        position = prompt.find("{", position + 1)
        if position < 0:
            return None
        try:
            found, _ = decoder.raw_decode(prompt, position)
        except ValueError:
            continue
        if isinstance(found.get("properties"), dict):
            return dict(found)
    return None


def _example_in(prompt: str) -> Schema:
    example = _EXAMPLE.search(prompt)
    if example is None:
        return {"type": "object", "properties": _fields_in(prompt)}
    return {"type": "object", "properties": {example.group(1): {"type": _EXAMPLE_TYPE[example.group(2)]}}}


def _fields_in(prompt: str) -> dict[str, Schema]:
    """Return the properties that a list such as ``- amount (number)`` under ``Fields:`` names; none where there is none."""
    listed = prompt.partition("\nFields:\n")[2]
    return {
        name: {"type": [kind, "null"]} if kind in _TYPED else {}
        for name, kind in (match.groups() for match in _FIELD.finditer(listed))
    }


def _plain(truth: Any, words: tuple[str, str]) -> str:
    if isinstance(truth, bool):
        return words[0] if truth else words[1]
    if isinstance(truth, float):
        return f"{truth:g}"
    if isinstance(truth, (list, dict)):
        return orjson.dumps(truth, default=str).decode()
    return str(truth)


def _labels(schema: Any) -> list[Any]:
    """Return the labels of the enum that stands deepest first in ``schema``."""
    if isinstance(schema, dict):
        if isinstance(schema.get("enum"), list):
            return list(schema["enum"])
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            if labels := _labels(part):
                return labels
    return []


def _value(schema: Any, truth: Any, root: Schema) -> Any:
    """Return ``truth`` as a JSON value under ``schema``, a part of ``root``."""
    schema = _resolved(schema, root)
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return _first_branch(branches, truth, root)
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else tuple(types)
    if truth is None:
        if "null" in types or not (types or "enum" in schema):
            return None
        raise CannotAnswerError("there is no truth, and the schema has no null")
    if "const" in schema:
        return schema["const"]
    if isinstance(truth, list) and len(truth) == 1 and types and "array" not in types:
        truth = truth[0]
    if "enum" in schema:
        return _label(schema["enum"], truth)
    for kind in types:
        if kind != "null":
            return _TYPED[kind](schema, truth, root) if kind in _TYPED else truth
    return _object(schema, truth, root) if "properties" in schema else truth


def _resolved(schema: Any, root: Schema) -> Schema:
    for _ in range(_MOST_BRACES):
        if not isinstance(schema, dict):
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            schema = _at(root, reference)
        elif isinstance(parts := schema.get("allOf"), list) and len(parts) == 1:
            schema = parts[0]
        else:
            return schema
    raise CannotAnswerError("the schema's references go in circles")


def _at(root: Schema, reference: str) -> Any:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        place = place.get(step) if isinstance(place, dict) and step else place
    return place


def _first_branch(branches: list[Any], truth: Any, root: Schema) -> Any:
    for branch in branches:
        try:
            return _value(branch, truth, root)
        except CannotAnswerError:
            continue
    raise CannotAnswerError("no branch of the schema takes the truth")


def as_bool(truth: Any) -> bool:
    """Return yes or no for a boolean, a number or a word; ``CannotAnswerError`` for anything else."""
    if isinstance(truth, (bool, int, float)):
        return bool(truth)
    word = str(truth).strip().casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise CannotAnswerError(f"{truth!r} is neither yes nor no")


def _folded(label: Any) -> str:
    return re.sub(r"[\s_-]+", " ", str(label)).strip().casefold()


def _label(labels: list[Any], truth: Any) -> Any:
    """Return the label that is ``truth``: exactly, else by its letters, else as a yes or no, else ``other``."""
    for label in labels:
        if label == truth and isinstance(label, bool) == isinstance(truth, bool):
            return label
    wanted = _folded(truth)
    folded = {_folded(label): label for label in reversed(labels)}
    if wanted in folded:
        return folded[wanted]
    side = _YES if wanted in _YES else _NO if wanted in _NO else ("other",)
    for word, label in folded.items():
        if word in side:
            return label
    raise CannotAnswerError(f"{truth!r} is none of the labels")


def _boolean(_schema: Schema, truth: Any, _root: Schema) -> bool:
    return as_bool(truth)


def _number(schema: Schema, truth: Any, _root: Schema) -> float:
    try:
        number = float(truth)
    except (TypeError, ValueError) as error:
        raise CannotAnswerError(f"{truth!r} is no number") from error
    number = float(min(max(number, schema.get("minimum", number)), schema.get("maximum", number)))
    return int(number) if number.is_integer() else number


def _integer(schema: Schema, truth: Any, root: Schema) -> int:
    return round(_number(schema, truth, root))


def _string(_schema: Schema, truth: Any, _root: Schema) -> str:
    if isinstance(truth, list):
        return ", ".join(str(part) for part in truth)
    return _plain(truth, ("Yes", "No"))


def _array(schema: Schema, truth: Any, root: Schema) -> list[Any]:
    items = _resolved(schema.get("items", {}), root)
    found = []
    for part in _parts(truth, items.get("enum", ())):
        try:
            found.append(_value(items, part, root))
        except CannotAnswerError:
            continue
    return found


def _parts(truth: Any, labels: Sequence[Any]) -> list[Any]:
    truth = truth if truth in labels else _opened(truth)
    if isinstance(truth, list):
        return truth
    if isinstance(truth, str) and truth not in labels:
        return [part.strip() for part in truth.split(",") if part.strip()]
    return [truth]


def _opened(truth: Any) -> Any:
    """Return the object or array that a JSON text holds; anything else as it is."""
    if isinstance(truth, str) and truth[:1] in ("{", "["):
        try:
            return orjson.loads(truth)
        except orjson.JSONDecodeError:
            return truth
    return truth


def _object(schema: Schema, truth: Any, root: Schema) -> Any:
    properties: dict[str, Any] = schema.get("properties") or {}
    opened = _opened(truth)
    if not properties:
        return opened if isinstance(opened, dict) else {"answer": opened}
    if isinstance(opened, dict):
        members = {_folded(name): value for name, value in opened.items()}
        if len(properties) != 1 or not members or _folded(next(iter(properties))) in members:
            return _members(schema, members, root)
    main = _main_property(properties, truth, root)
    return {
        name: _value(part, truth if name == main else _empty(part, root), root) for name, part in properties.items()
    }


def _members(schema: Schema, members: dict[str, Any], root: Schema) -> dict[str, Any]:
    """Return the object whose properties come from ``members`` by name; what is absent is null, left out or empty."""
    found = {}
    for name, part in schema["properties"].items():
        member = members.get(_folded(name))
        try:
            found[name] = _value(part, member, root)
        except CannotAnswerError:
            if name in schema.get("required", ()):
                found[name] = _value(part, _empty(part, root), root)
    return found


def _main_property(properties: dict[str, Any], truth: Any, root: Schema) -> str:
    """Return the property for the answer: by its name, else the first closed type that takes it, else the last."""
    takers = [name for name, part in properties.items() if _takes(part, truth, root)]
    if not takers:
        raise CannotAnswerError(f"no property takes {truth!r}")
    named = [name for name in _ANSWER_NAMES if name in takers]
    closed = [name for name in takers if _closed(properties[name], root)]
    return (named + closed + takers[::-1])[0]


def _takes(part: Any, truth: Any, root: Schema) -> bool:
    try:
        _value(part, truth, root)
    except CannotAnswerError:
        return False
    return True


def _closed(part: Any, root: Schema) -> bool:
    resolved = _resolved(part, root)
    return "enum" in resolved or resolved.get("type") in ("boolean", "number", "integer", "array")


def _empty(part: Any, root: Schema) -> Any:
    """Return a truth that says nothing under the schema ``part``."""
    resolved = _resolved(part, root)
    if _takes(part, None, root):
        return None
    if "enum" in resolved:
        return resolved["enum"][0]
    kinds: dict[Any, Any] = {"boolean": False, "array": [], "object": {}, "number": 0, "integer": 0}
    return kinds.get(resolved.get("type"), "")


_TYPED = {
    "boolean": _boolean,
    "number": _number,
    "integer": _integer,
    "string": _string,
    "array": _array,
    "object": _object,
}
