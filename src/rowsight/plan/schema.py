"""Answer types: what a question may be answered with, its JSON Schema, and what a valid answer means.

Each type is frozen and knows three things: the JSON Schema that the request carries (``schema``), the sentence that asks
for it (``instruction``) and how a schema-valid answer becomes a Python value (``read``).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from rowsight.core.errors import SchemaError, nearest

JsonSchema = dict[str, Any]


class InvalidAnswerError(ValueError):
    """An answer that fits the schema and still means nothing, with words that a repair attempt can show."""


def _wrapped(inner: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": {"answer": inner},
        "required": ["answer"],
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Bool:
    """Yes or no."""

    kind: ClassVar[str] = "bool"

    @cached_property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole answer."""
        return _wrapped({"type": "boolean"})

    @property
    def instruction(self) -> str:
        """The sentence that asks for this type."""
        return 'Answer yes or no, as JSON: {"answer": true} for yes, {"answer": false} for no.'

    def read(self, answer: Any) -> bool:
        """Return the value of a schema-valid answer."""
        return bool(answer["answer"])


@dataclass(frozen=True)
class Label:
    """One label, or with ``several`` any number of them, out of a fixed list. ``descriptions`` explain labels."""

    labels: tuple[str, ...]
    descriptions: tuple[tuple[str, str], ...] = ()
    several: bool = False
    kind: ClassVar[str] = "label"

    def __post_init__(self) -> None:
        if len(self.labels) < 2:  # noqa: PLR2004
            raise SchemaError(f"classify needs at least two labels; got {list(self.labels)}")
        seen: set[str] = set()
        for label in self.labels:
            if not isinstance(label, str):
                raise SchemaError(f"the label {label!r} is no text; write it as {str(label)!r}")
            if not label.strip():
                raise SchemaError("a label is empty; give each label a name")
            if label in seen:
                raise SchemaError(f"the label {label!r} stands twice; give each label once")
            seen.add(label)
        for label, _ in self.descriptions:
            if label not in seen:
                raise SchemaError(
                    f"a description is given for {label!r}, which is not a label{nearest(label, self.labels)}"
                )

    @cached_property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole answer."""
        one: JsonSchema = {"type": "string", "enum": list(self.labels)}
        return _wrapped({"type": "array", "items": one} if self.several else one)

    @property
    def instruction(self) -> str:
        """The sentence that asks for this type."""
        names = dict(self.descriptions)
        lines = [f"- {name}: {names[name]}" if name in names else f"- {name}" for name in self.labels]
        form = '{"answer": ["label", ...]}, an empty list when none fits' if self.several else '{"answer": "label"}'
        count = "Answer with every label that fits" if self.several else "Answer with exactly one label"
        return "\n".join(["Labels:", *lines, f"{count}, spelled as above, as JSON: {form}."])

    def read(self, answer: Any) -> str | list[str]:
        """Return the label, or the labels in the order of the declaration, each once."""
        if not self.several:
            return str(answer["answer"])
        given = set(answer["answer"])
        return [label for label in self.labels if label in given]


@dataclass(frozen=True)
class Number:
    """A number between ``low`` and ``high``, both included."""

    low: float
    high: float
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SchemaError(f"the range {self.low}..{self.high} is not finite; give two numbers such as 0..10")
        if self.low >= self.high:
            raise SchemaError(
                f"the range {self.low:g}..{self.high:g} is empty; the first number must be the smaller one"
            )

    @cached_property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole answer."""
        return _wrapped({"type": "number", "minimum": self.low, "maximum": self.high})

    @property
    def instruction(self) -> str:
        """The sentence that asks for this type."""
        return f'Answer with a number from {self.low:g} to {self.high:g}, as JSON: {{"answer": number}}.'

    def read(self, answer: Any) -> float:
        """Return the value of a schema-valid answer."""
        return float(answer["answer"])


@dataclass(frozen=True)
class Text:
    """Free text."""

    kind: ClassVar[str] = "text"

    @cached_property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole answer."""
        return _wrapped({"type": "string"})

    @property
    def instruction(self) -> str:
        """The sentence that asks for this type."""
        return 'Answer as JSON: {"answer": "text"}.'

    def read(self, answer: Any) -> str:
        """Return the text; a blank one is no answer."""
        text = str(answer["answer"])
        if not text.strip():
            raise InvalidAnswerError("the answer is an empty text")
        return text


@dataclass(frozen=True)
class Struct:
    """An object under a JSON Schema of the user's, kept as canonical JSON text so that equal schemas are equal."""

    source: str
    names: tuple[str, ...] = field(compare=False, default=())
    kind: ClassVar[str] = "struct"

    @classmethod
    def of(cls, schema: JsonSchema) -> Struct:
        """Return the type of objects under ``schema``; raise ``SchemaError`` where it isn't an object's schema."""
        schema = _at_the_top(schema)
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            raise SchemaError('extract needs the JSON Schema of an object: {"type": "object", "properties": {...}}')
        if not schema["properties"]:
            raise SchemaError("the schema has no properties; name at least one field to extract")
        return cls(json.dumps(schema, ensure_ascii=False), tuple(schema["properties"]))

    @cached_property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole answer."""
        loaded: JsonSchema = json.loads(self.source)
        return loaded

    @property
    def instruction(self) -> str:
        """The sentence that asks for this type."""
        lines = [f"- {name}{_described(self.schema['properties'][name])}" for name in self.schema["properties"]]
        return "\n".join(
            [
                "Fields:",
                *lines,
                "Answer with a JSON object of these fields; use null for what the row doesn't say.",
            ]
        )

    def read(self, answer: Any) -> dict[str, Any]:
        """Return the object; fields that the answer left out are ``None``."""
        return {name: answer.get(name) for name in self.schema["properties"]}


def _at_the_top(schema: JsonSchema) -> JsonSchema:
    """Return a schema that is a reference to one of its definitions (a recursive model's is) as that definition."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    inner = schema.get("$defs", {}).get(name)
    return {**inner, "$defs": schema["$defs"]} if isinstance(inner, dict) else schema


AnswerType = Bool | Label | Number | Text | Struct


def _described(schema: Any) -> str:
    if not isinstance(schema, dict):
        return ""
    kinds = schema.get("type")
    names = kinds if isinstance(kinds, list) else [kinds] if kinds else []
    kind = ", ".join(k for k in names if k != "null")
    if fmt := schema.get("format"):
        kind = f"{kind}, {fmt}"
    said = f": {schema['description']}" if schema.get("description") else ""
    return (f" ({kind})" if kind else "") + said


_SCALARS: dict[str, JsonSchema] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
_ALIASES = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
}
_PYTHON = {str: "string", int: "integer", float: "number", bool: "boolean"}


def field_schema(name: str, kind: Any) -> JsonSchema:
    """Return the nullable JSON Schema of one field from a scalar type, its name (``int``, ``list[str]``) or a schema."""
    if isinstance(kind, dict):
        return kind
    word = _PYTHON[kind] if kind in _PYTHON else str(kind).strip().lower()
    if word.startswith("list[") and word.endswith("]"):
        inner = field_schema(name, word[5:-1])
        return {"type": ["array", "null"], "items": {**inner, "type": inner["type"][0]}}
    word = _ALIASES.get(word, word)
    if word not in _SCALARS:
        raise SchemaError(
            f"the field {name!r} has the unknown type {kind!r}{nearest(str(kind), [*_SCALARS, *_ALIASES])}"
        )
    scalar = _SCALARS[word]
    return {**scalar, "type": [scalar["type"], "null"]}


def struct_of_fields(fields: dict[str, Any]) -> Struct:
    """Return the struct type of ``{name: type}``; every field may be null."""
    definitions: JsonSchema = {}
    properties: JsonSchema = {}
    for name, kind in fields.items():
        plain = isinstance(kind, (str, dict)) or kind in _PYTHON
        properties[name] = field_schema(name, kind) if plain else _annotated(name, kind, definitions)
    found = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return Struct.of({**found, **({"$defs": definitions} if definitions else {})})


def _annotated(name: str, kind: Any, definitions: JsonSchema) -> JsonSchema:
    """Return the nullable JSON Schema of what Python can say of a type: ``list[int]``, ``Literal``, an enum, a model."""
    from pydantic import PydanticUserError, TypeAdapter  # noqa: PLC0415 - only where such a type is given

    try:
        found = TypeAdapter(kind | None).json_schema()
    except (PydanticUserError, TypeError) as error:
        raise SchemaError(f"the field {name!r} has the type {kind!r}, which JSON can't hold") from error
    definitions.update(found.pop("$defs", {}))
    return found
