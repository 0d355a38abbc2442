"""How the simulated model answers questions about several rows at once: from the blocks themselves, by fixed rules.

It writes a row's first words as a sentence and cites the row, merges by repeating, lets a row support a sentence whose
words it holds, and grades and orders rows by their truth, where the table has one, else by the words that they share with
the question. So the calls of a summary or a ranking can be tried without a model, and come out the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rowsight.plan.template import unfence

Truth = Callable[[str], Any]
"""Returns the truth of a row's text, ``None`` where none is known."""

_KINDS = ("sentences", "checks", "grades", "ranking")
_WORD = re.compile(r"\w+")
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_AT_MOST = re.compile(r"at most (\d+) sentences")
_QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
_CITES = re.compile(r"\(cites ([^)]*)\)\n<<<(c\d+)\n")
_HIGHEST = 10


def kind_of(schema: dict[str, Any] | None) -> str | None:
    """Return which of the questions about several rows has this schema, ``None`` for any other."""
    properties = (schema or {}).get("properties")
    if not isinstance(properties, dict) or len(properties) != 1:
        return None
    (name,) = properties
    return name if name in _KINDS and properties[name].get("type") == "array" else None


def answered(kind: str, prompt: str, user: str, truth: Truth) -> dict[str, Any]:
    """Return the answer to a question of this kind; ``prompt`` holds all messages, ``user`` the blocks."""
    blocks = [(_id(name), text) for name, text in unfence(user)]
    match kind:
        case "sentences":
            return {"sentences": _sentences(prompt, blocks)}
        case "checks":
            return {"checks": _checks(user, blocks)}
        case "grades":
            return {"grades": [{"id": i, "grade": round(g, 2)} for i, g in _graded(prompt, blocks, truth)]}
        case _:
            graded = _graded(prompt, blocks, truth)
            return {"ranking": [i for i, _ in sorted(graded, key=lambda pair: -pair[1])]}


def _id(fence_name: str) -> str:
    """Return the id of a block: its fence's name before what keeps the fence from being closed."""
    return fence_name.partition("-")[0]


def _sentences(prompt: str, blocks: list[tuple[str, str]]) -> list[dict[str, Any]]:
    limit = _AT_MOST.search(prompt)
    most = int(limit.group(1)) if limit else len(blocks)
    said: dict[str, list[str]] = {}
    for name, text in blocks:
        said.setdefault(_first(text), []).append(name)
    often = sorted(said.items(), key=lambda item: -len(item[1]))
    return [{"text": text, "ids": ids} for text, ids in often if text][:most]


def _first(text: str) -> str:
    """Return the first sentence of a text, of a row of several values that of the first."""
    inner = unfence(text)
    return " ".join(_END.split((inner[0][1] if inner else text).strip(), maxsplit=1)[0].split())


def _checks(user: str, blocks: list[tuple[str, str]]) -> list[dict[str, Any]]:
    texts = {name: " ".join(text.split()) for name, text in blocks}
    cited = {c: ids.split(", ") for ids, c in _CITES.findall(user)}
    sentences = [(name, text) for name, text in texts.items() if name.startswith("c")]
    return [
        {"id": name, "ids": [i for i in cited.get(name, ()) if i in texts and text in texts[i]]}
        for name, text in sentences
    ]


def _graded(prompt: str, blocks: list[tuple[str, str]], truth: Truth) -> list[tuple[str, float]]:
    question = _QUESTION.search(prompt)
    wanted = set(_words(question.group(1))) if question else set()
    return [(name, _grade(text, wanted, truth)) for name, text in blocks]


def _grade(text: str, wanted: set[str], truth: Truth) -> float:
    known = truth(text)
    if isinstance(known, (bool, int, float)):
        return min(max(float(known) * (_HIGHEST if isinstance(known, bool) else 1), 0.0), float(_HIGHEST))
    held = set(_words(text))
    return _HIGHEST * len(wanted & held) / max(1, len(wanted))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
