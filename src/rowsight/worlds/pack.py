"""One world in one language: its phrases compiled, its questions, and the way a text is put together."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rowsight.worlds.grammar import Draw, Fact, Grammar, choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rowsight.worlds.grammar import Piece

MARK = "~"  # before a phrase that is easily misread: sarcasm, negation, a past that is over; twice: mostly misread
EASY, HARD, TRAP = range(3)  # how hard a text is to read


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases that mean the same; ``hard`` says how hard each is to read: EASY, HARD or TRAP."""

    pieces: tuple[Piece, ...]
    hard: tuple[int, ...]

    def pick(self, draw: Draw) -> tuple[str, int]:
        """Write one of them; return it with its hardness."""
        at = int(draw.random() * len(self.pieces))
        return self.pieces[at](draw), self.hard[at]


@dataclass(frozen=True, slots=True)
class Topic:
    """What a text can be about: its label, the share of texts that the filter holds for, its phrases."""

    label: str
    weight: float
    share: float
    yes: Phrases
    no: Phrases
    aside: Phrases


@dataclass(frozen=True, slots=True)
class Weighted:
    """Names with cumulative weights that end at 1."""

    names: tuple[str, ...]
    cumulative: tuple[float, ...]

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> Weighted:
        """Scale the weights to shares and add them up."""
        total = sum(weights.values())
        return cls(tuple(weights), tuple(accumulate(weight / total for weight in weights.values())))


@dataclass(frozen=True, slots=True)
class Pack:
    """Everything that one world needs in one language."""

    about: str
    questions: Mapping[str, str]
    extract_name: str
    extract_fields: Mapping[str, str]
    facts: Mapping[str, Fact]
    topics: tuple[Topic, ...]
    topic_odds: Mapping[tuple[bool, bool], tuple[float, ...]]
    skewed_region: str
    regions: Weighted
    channels: Weighted
    tiers: Weighted
    shell: Mapping[str, Piece]
    pads: tuple[Piece, ...]
    join: str
    typos: tuple[tuple[str, str], ...]


@lru_cache(maxsize=16)
def pack(world: str, lang: str) -> Pack:
    """Read and compile a world's phrases in one language; the caller has checked both names."""
    common, own = _data(f"common.{lang}"), _data(f"{world}.{lang}")
    facts = {name: Fact(**spec) for name, spec in own["facts"].items()}
    slots = {name: _lines(text) for name, text in {**common["slots"], **own["slots"]}.items()}
    grammar = Grammar(slots, facts)
    topics = tuple(_topic(grammar, spec) for spec in own["topics"].values())
    shell = {**common["shell"], **own["shell"]}
    return Pack(
        about=own["about"],
        questions=own["questions"],
        extract_name=own["extract_name"],
        extract_fields=own["extract_fields"],
        facts=facts,
        topics=topics,
        topic_odds=_odds(own, topics),
        skewed_region=own["skewed_region"],
        regions=Weighted.of(own["regions"]),
        channels=Weighted.of(own["channels"]),
        tiers=Weighted.of(own["tiers"]),
        shell={name: _shell(grammar, name, text) for name, text in shell.items()},
        pads=tuple(grammar.compile(line) for line in _lines(shell["pad"])),
        join=common["join"],
        typos=tuple((wrong[0], wrong[1]) for wrong in common["typos"]),
    )


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("rowsight.worlds") / "data" / f"{name}.toml").read_text("utf-8"))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _shell(grammar: Grammar, name: str, text: str) -> Piece:
    """Compile one part of the shell; quoted mails are paragraphs, all else is one phrase a line."""
    phrases: Iterable[str] = text.strip("\n").split("\n\n") if name == "quote" else _lines(text)
    return choice([grammar.compile(phrase) for phrase in phrases])


def _phrases(grammar: Grammar, text: str) -> Phrases:
    lines = _lines(text)
    pieces = tuple(grammar.compile(line.lstrip(MARK)) for line in lines)
    return Phrases(pieces, tuple(len(line) - len(line.lstrip(MARK)) for line in lines))


def _topic(grammar: Grammar, spec: Mapping[str, Any]) -> Topic:
    yes, no, aside = (_phrases(grammar, spec[kind]) for kind in ("yes", "no", "aside"))
    return Topic(spec["label"], spec["weight"], spec["share"], yes, no, aside)


def _odds(own: Mapping[str, Any], topics: Sequence[Topic]) -> dict[tuple[bool, bool], tuple[float, ...]]:
    """Cumulative topic shares by (in the skewed region, in the last months): groups and months differ."""
    keys = list(own["topics"])

    def shares(*, skewed: bool, late: bool) -> tuple[float, ...]:
        raised = {own["skewed_topic"]: skewed, own["late_topic"]: late}
        weights = {key: topic.weight * (1 + raised.get(key, False)) for key, topic in zip(keys, topics, strict=True)}
        return Weighted.of(weights).cumulative

    return {(s, late): shares(skewed=s, late=late) for s in (False, True) for late in (False, True)}


@dataclass(slots=True)
class Message:
    """A text and what is true of it."""

    text: str
    topic: int
    positive: bool
    severity: int
    hard: int
    facts: Mapping[str, str | int | float]


_SEVERITY = {False: (0, 2, 4), True: (3, 5, 8)}  # by the filter's truth: nothing said, pressing, drastic
_BRIEF, _LONG = 0.25, 0.82


def write(spoken: Pack, random: Callable[[], float], topic: int, *, positive: bool) -> Message:
    """Write a text on a topic for which the filter holds or not."""
    draw = Draw(random)
    subject = spoken.topics[topic]
    core, hard = (subject.yes if positive else subject.no).pick(draw)
    length = random()
    if length < _BRIEF:
        core = core if random() < 0.4 else spoken.join.join((core, *_pads(spoken, draw, 1)))  # noqa: PLR2004
        return Message(core, topic, positive, _SEVERITY[positive][0], hard, draw.facts)
    band = _band(random(), positive=positive)
    parts = [core]
    misled = _colour(spoken, draw, parts, topic, positive=positive)
    if band:
        parts.append(spoken.shell["mid" if band == 1 else "high"](draw))
    text, quoted = _frame(spoken, draw, parts, long=length >= _LONG)
    return Message(text, topic, positive, _SEVERITY[positive][band], max(hard, misled or quoted), draw.facts)


def _band(u: float, *, positive: bool) -> int:
    """How drastic a text is: 0, 1 or 2; only texts for which the filter holds can be drastic."""
    if positive:
        return 0 if u < 0.45 else 1 if u < 0.75 else 2  # noqa: PLR2004 - shares of the bands
    return int(u > 0.85)  # noqa: PLR2004


def _colour(spoken: Pack, draw: Draw, parts: list[str], topic: int, *, positive: bool) -> bool:
    """Add what misleads: the other side's words, a side remark on another topic. Returns whether it did."""
    random, shell = draw.random, spoken.shell
    misled = random() < (0.2 if positive else 0.16)
    if misled:
        remark = shell["soft" if positive else "decoy"](draw)
        parts.insert(int(random() * 2), remark)
    if random() > 0.1:  # noqa: PLR2004 - the share of side remarks
        return misled
    other = int(random() * (len(spoken.topics) - 1))
    other += other >= topic
    parts.append(spoken.topics[other].aside.pick(draw)[0])
    return True


def _frame(spoken: Pack, draw: Draw, parts: list[str], *, long: bool) -> tuple[str, bool]:
    """Put greeting, context, farewell, signature and quoted mails around; the flag says whether one is quoted."""
    random, shell = draw.random, spoken.shell
    for remark in _pads(spoken, draw, 3 + int(random() * 8) if long else int(random() * 2)):
        parts.insert(int(random() * (len(parts) + 1)), remark)
    if random() < 0.5:  # noqa: PLR2004 - shares of the parts of a letter
        parts.insert(0, shell["greet"](draw))
    if random() < 0.05:  # noqa: PLR2004
        parts.append(shell["contact"](draw))
    if random() < 0.35:  # noqa: PLR2004
        parts.append(shell["close"](draw))
    text = spoken.join.join(parts).replace("  ", " ")
    if random() < 0.25:  # noqa: PLR2004
        text = f"{text}\n{shell['sign'](draw)}"
    quoted = random() < 0.05  # noqa: PLR2004
    return (f"{text}\n\n{shell['quote'](draw)}" if quoted else text), quoted


_STRIDE = 5  # divides no world's number of remarks, so that none is repeated


def _pads(spoken: Pack, draw: Draw, count: int) -> list[str]:
    """Write ``count`` different remarks that say nothing about the matter."""
    pads = spoken.pads
    start = int(draw.random() * len(pads))
    return [pads[(start + _STRIDE * at) % len(pads)](draw) for at in range(count)]
