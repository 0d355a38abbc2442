"""Five small worlds of labelled texts, in English and Chinese, from a seed.

``generate("clinic", "zh", rows=4000, seed=0)`` returns an Arrow table whose columns ``true_*`` say what is true of each
text and whose columns ``model_*`` say what a simulated model answers: the truth, but for a few per cent of the rows.
``questions("clinic", "zh")`` returns what can be asked about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from rowsight.core.errors import InputError, nearest
from rowsight.worlds.generate import World, schema
from rowsight.worlds.pack import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowsight.worlds.grammar import Fact

__all__ = ["LANGS", "WORLDS", "WorldQuestion", "WorldQuestions", "generate", "generate_batches", "questions"]

WORLDS = ("support", "finance", "clinic", "factory", "retail")
LANGS = ("en", "zh")


@dataclass(frozen=True, slots=True)
class WorldQuestion:
    """A prompt about ``{text}``, the column of its true answers, the column of the simulated model's."""

    prompt: str
    truth: str
    model: str


@dataclass(frozen=True, slots=True)
class WorldQuestions:
    """What can be asked about a world, in the world's language.

    ``about`` says in one line what the table holds; ``labels`` are the answers to ``classify``; ``fields`` maps
    the extraction's names to ``str``, ``int`` or ``float``, each of which may be null; ``low`` and ``high`` bound
    ``score``.
    """

    about: str
    filter: WorldQuestion
    classify: WorldQuestion
    labels: tuple[str, ...]
    extract: WorldQuestion
    fields: Mapping[str, type]
    score: WorldQuestion
    low: int = 0
    high: int = 10


def generate(world: str, lang: str = "en", rows: int = 4000, seed: int = 0) -> pa.Table:
    """Return a world's table of ``rows`` rows; equal arguments give equal tables.

    Raises InputError for an unknown world or language, or a negative number of rows.
    """
    batches = generate_batches(world, lang, rows, seed)
    return pa.Table.from_batches(batches, schema=schema(pack(world, lang)))


def generate_batches(
    world: str, lang: str = "en", rows: int = 4000, seed: int = 0, batch_rows: int = 16_384
) -> Iterator[pa.RecordBatch]:
    """Return the batches of a world's table; the content doesn't depend on ``batch_rows``.

    Raises InputError, at once, for an unknown world or language, or numbers of rows that can't be.
    """
    _check(world, lang)
    if rows < 0 or batch_rows < 1:
        raise InputError(f"rows={rows}, batch_rows={batch_rows}: rows must be at least 0, batch_rows at least 1")
    return World(world, lang, rows, seed).batches(batch_rows)


def questions(world: str, lang: str = "en") -> WorldQuestions:
    """Return what can be asked about a world; InputError for an unknown world or language."""
    _check(world, lang)
    spoken = pack(world, lang)

    def question(kind: str, column: str) -> WorldQuestion:
        return WorldQuestion(spoken.questions[kind], f"true_{column}", f"model_{column}")

    return WorldQuestions(
        about=spoken.about,
        filter=question("filter", spoken.questions["filter_name"]),
        classify=question("classify", "topic"),
        labels=tuple(topic.label for topic in spoken.topics),
        extract=question("extract", spoken.extract_name),
        fields=MappingProxyType({n: _type(spoken.facts[f]) for n, f in spoken.extract_fields.items()}),
        score=question("score", "severity"),
    )


def _type(fact: Fact) -> type:
    return str if fact.low is None else float if fact.whole else int


def _check(world: str, lang: str) -> None:
    if world not in WORLDS:
        raise InputError(f"there is no world {world!r}{nearest(world, WORLDS)}")
    if lang not in LANGS:
        raise InputError(f"the worlds don't speak {lang!r}{nearest(lang, LANGS)}")
