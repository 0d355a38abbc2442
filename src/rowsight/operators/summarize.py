"""summarize: say in a few sentences what many rows say, each sentence with the rows that say it.

Three questions make a summary: one writes sentences about the rows of a leaf, one merges the sentences of several parts,
one checks which of the cited rows support a sentence.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from rowsight.operators.base import Question
from rowsight.operators.together import IDS, RULES, Together, each_once, listing, named_values
from rowsight.plan.schema import InvalidAnswerError, Text
from rowsight.plan.template import Template

SUMMARY = "Say in a few sentences what many rows say, each with the rows that say it."
EXAMPLE = "What do customers complain about in {body}?"
MOST_CITED = 12
"""Rows that one sentence of a request may cite."""

_SENTENCES = listing("sentences", {"text": {"type": "string"}, "ids": IDS})
_CHECKS = listing("checks", {"id": {"type": "string"}, "ids": IDS})

_WRITE = """\
You answer a question about many rows of a table at once. {rules} {values}

Question: {question}

Answer in at most {most} sentences, in the language of the question, the most telling first. Each sentence states a fact \
that rows say, and cites the ids of rows that say it, at most {cited}. State nothing that no row says. Where no row says \
anything to the question, give an empty list. Answer as JSON: {{"sentences": [{{"text": "...", "ids": ["r1", "r2"]}}]}}."""
_MERGE = """\
Parts of a table were summarised one by one to answer a question. {rules}

Question: {question}

Say what the sentences say in at most {most} sentences, in the language of the question, first what most rows say. Join \
sentences that say the same, and cite for each of yours the ids of all sentences that it is made of. Add nothing that \
they don't say. Answer as JSON: {{"sentences": [{{"text": "...", "ids": ["s1", "s2"]}}]}}."""
_CHECK = """\
You check whether sentences about a table are true. {rules} Blocks r1, r2, ... are rows; blocks c1, c2, ... are sentences, \
each after the ids of the rows that it cites.

For each sentence, give the ids of those rows among the cited ones that support it: rows that say themselves what the \
sentence says. Where the sentence says anything that the cited rows don't say, none of them supports it: give an empty \
list. Answer about every sentence, as JSON: {{"checks": [{{"id": "c1", "ids": ["r1", "r2"]}}]}}."""


def writing(template: Template, most: int) -> Together:
    """Return the question that a leaf answers: at most ``most`` sentences about its rows, with ids of rows."""
    rules = RULES.format(things="rows", id="r1")
    system = _WRITE.format(
        rules=rules, values=named_values(template), question=template.text, most=most, cited=MOST_CITED
    )
    return Together("write", system, _SENTENCES, partial(_sentences, most=most))


def merging(template: Template, most: int) -> Together:
    """Return the question that joins the sentences of several parts into at most ``most``, with ids of sentences."""
    rules = RULES.format(things="sentences", id="s1")
    system = _MERGE.format(rules=rules, question=template.text, most=most)
    return Together("merge", system, _SENTENCES, partial(_sentences, most=most))


def checking() -> Together:
    """Return the question that says which of the rows cited by each sentence support it."""
    return Together("check", _CHECK.format(rules=RULES.format(things="rows and sentences", id="r1")), _CHECKS, _checks)


def summary_question(template: str) -> Question:
    """Return the question whose one argument is a JSON list of texts, and whose answer is their summary as a text."""
    return Question("summarize", Template(template), Text())


def _sentences(answer: Any, ids: tuple[str, ...], *, most: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return (text, ids) of each sentence as given: ids that name no block are for the caller to drop and count."""
    del ids
    found = [(" ".join(s["text"].split()), tuple(dict.fromkeys(s["ids"]))) for s in answer["sentences"]]
    if any(not text for text, _ in found):
        raise InvalidAnswerError("a sentence is empty; leave it out")
    if len(found) > most:
        raise InvalidAnswerError(f"there are {len(found)} sentences; give at most {most}")
    return found


def _checks(answer: Any, ids: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return for each sentence the ids of rows that support it."""
    sentences = tuple(i for i in ids if i.startswith("c"))
    each_once([c["id"] for c in answer["checks"]], sentences)
    return {c["id"]: tuple(dict.fromkeys(c["ids"])) for c in answer["checks"]}
