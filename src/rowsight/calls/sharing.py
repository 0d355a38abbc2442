"""Several rows in one request: each row keeps its own key, claim and answer; the request is what is sent and paid.

The rows of a request are claimed together, the first with the reservation for all. The answer is checked as a whole, with
one repair; what is valid in it is recorded row by row, whatever became of the others. So a row is found again in whatever
company it comes later, and a run that is killed pays no row twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rowsight.calls.answers import (
    Checker,
    PartlyAnsweredError,
    canonical,
    parse_json_strictly,
    strict_decoder,
)
from rowsight.calls.budget import Amounts
from rowsight.calls.gateway import TURN, Delivery, Gateway, Once
from rowsight.calls.ledger.base import Answered, Claim, Granted, Held, OverBudget
from rowsight.calls.request import Answer, Outcome, Request, Sampling, Usage
from rowsight.operators import Question
from rowsight.plan.schema import AnswerType, InvalidAnswerError, Struct, Text
from rowsight.plan.shared import alone, fence_rows, shared_schema

LONGEST_SHARED = 4000
"""Characters of a row that may share a request; longer ones are asked alone."""
MOST_CHARACTERS = 16_000
"""Characters of the rows of one request."""
MOST_FAULTS = 5
"""Faults that a repair attempt is told of."""
LEAST_TOKENS, MOST_TOKENS = 64, 512
"""What a further row adds to a completion's cap: short answers, and texts and objects."""


@dataclass(frozen=True, slots=True)
class Sharer:
    """A row that is to share a request: its values, and the request that names it (its key, and its words to be kept)."""

    request: Request
    values: tuple[str, ...]

    @property
    def key(self) -> bytes:
        """The key of the row's answer."""
        return self.request.key


class _Doubled(dict[str, Any]):
    """A JSON object in which some keys stood twice."""

    twice: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, names = _Doubled(found), [name for name, _ in pairs]
    doubled.twice = frozenset(name for name in found if names.count(name) > 1)
    return doubled


def _holds_doubled(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(value, _Doubled) or any(map(_holds_doubled, value.values()))
    return isinstance(value, list) and any(map(_holds_doubled, value))


_DECODER = strict_decoder(_object)


class RowsChecker:
    """Checks an answer about several rows: one JSON object, a valid answer for each row's number, and nothing else."""

    def __init__(self, answer: AnswerType, rows: int, one: Checker) -> None:
        self._answer, self._one = answer, one
        self._numbers = [str(number) for number in range(1, rows + 1)]

    def __call__(self, text: str) -> str:
        """Return the canonical text of a whole answer; raise ``PartlyAnsweredError`` with the rows that are valid."""
        given = parse_json_strictly(text, _DECODER)
        if not isinstance(given, dict):
            raise InvalidAnswerError("the answer is not a JSON object of the rows' numbers")
        valid: dict[str, str] = {}
        faults = [f"{name[:20]!r} is the number of no row" for name in given if name not in self._numbers]
        for number in self._numbers:
            try:
                valid[number] = self._row(given, number)
            except InvalidAnswerError as error:
                faults.append(f"row {number}: {error}")
        if faults:
            raise PartlyAnsweredError("; ".join(faults[:MOST_FAULTS]), {int(n): t for n, t in valid.items()})
        return "{" + ",".join(f'"{number}":{text}' for number, text in valid.items()) + "}"

    def _row(self, given: dict[str, Any], number: str) -> str:
        """Return the text of the answer that row ``number`` would have had alone."""
        if number not in given:
            raise InvalidAnswerError("no answer is given; give one for each row")
        if isinstance(given, _Doubled) and number in given.twice:
            raise InvalidAnswerError("its number stands twice; give each row one answer")
        if _holds_doubled(given[number]):
            raise InvalidAnswerError("a key stands twice in one JSON object; give each key once")
        return self._one.checked(alone(self._answer, given[number]))


class Sharing:
    """One question's way of putting ``most`` rows into a request."""

    def __init__(self, question: Question, gateway: Gateway, sampling: Sampling, one: Checker, most: int) -> None:
        self._question, self._gateway, self._sampling, self._one, self._most = question, gateway, sampling, one, most
        self._system = question.shared_system
        self._kept: dict[int, tuple[dict[str, Any], Sampling, RowsChecker]] = {}
        self._joined: dict[bytes, asyncio.Future[dict[bytes, Delivery]]] = {}

    async def ask(self, rows: Sequence[Sharer]) -> list[Delivery]:
        """Return what came of each row, in order; rows that are known or being asked already aren't asked again."""
        found = await self._gateway.known([row.key for row in rows])
        mine: list[asyncio.Future[dict[bytes, Delivery]]] = []
        try:
            fresh = {row.key: row for row in rows if row.key not in found and row.key not in self._joined}
            for number, group in enumerate(groups(list(fresh.values()), self._most), 1):
                mine.append(self._begin(group))
                if number % TURN == 0:
                    await asyncio.sleep(0)
            others = {id(task): task for row in rows if (task := self._joined.get(row.key)) is not None}
            for answered in await asyncio.gather(*{**others, **{id(task): task for task in mine}}.values()):
                found |= answered
        except BaseException:
            for task in mine:
                task.cancel()
            await asyncio.gather(*mine, return_exceptions=True)
            raise
        return [found[row.key] for row in rows]

    def _begin(self, group: list[Sharer]) -> asyncio.Future[dict[bytes, Delivery]]:
        task = asyncio.ensure_future(self._group(group))
        self._joined.update(dict.fromkeys((row.key for row in group), task))
        self._gateway.enter()
        return task

    async def _group(self, group: list[Sharer]) -> dict[bytes, Delivery]:
        delivered: dict[bytes, Delivery] = {}
        try:
            while left := [row for row in group if row.key not in delivered]:
                ahead = await self._gateway.turn()
                try:
                    delivered |= await self._once(left, ahead)
                finally:
                    ahead()
        finally:
            for row in group:
                del self._joined[row.key]
            self._gateway.leave()
        return delivered

    async def _once(self, rows: list[Sharer], ahead: Once) -> dict[bytes, Delivery]:
        """Claim rows and ask those that are ours; what others ask meanwhile is waited for."""
        gateway = self._gateway
        if gateway.spent:
            return {row.key: Delivery(None) for row in rows}
        claims = await self._claims(rows)
        mine = [row for row, claim in zip(rows, claims, strict=True) if isinstance(claim, Granted)]
        delivered = {
            row.key: gateway.delivered(claim.answer)
            for row, claim in zip(rows, claims, strict=True)
            if isinstance(claim, Answered)
        }
        if mine and await self._reserved(mine, claims[0]):
            request, check = self._request(mine)
            keys = [row.key for row in mine]
            found = await gateway.converse(request, check, gateway.worst(request), ahead, keys, _divide)
            return delivered | dict(zip(keys, found, strict=True))
        if mine or any(isinstance(claim, OverBudget) for claim in claims):
            left = [row for row in rows if row.key not in delivered]
            await gateway.settlement(gateway.worst(self._request(left)[0]))
            return delivered
        ahead()
        for row, claim in zip(rows, claims, strict=True):
            if isinstance(claim, Held) and (known := await gateway.held(row.key)) is not None:
                delivered[row.key] = known
        return delivered

    async def _claims(self, rows: list[Sharer]) -> list[Claim]:
        """Claim all rows in one turn of the loop, the first with what the request of all can cost at most."""
        worst = self._gateway.worst(self._request(rows)[0])
        granted: list[bytes] = []

        async def claimed(row: Sharer, reserve: Amounts) -> Claim:
            claim = await self._gateway.claim(row.request, reserve)
            if isinstance(claim, Granted):
                granted.append(row.key)
            return claim

        try:
            return await asyncio.gather(*(claimed(row, Amounts() if i else worst) for i, row in enumerate(rows)))
        except BaseException:
            await self._gateway.release(granted)
            raise

    async def _reserved(self, mine: list[Sharer], first: Claim) -> bool:
        """Return whether the request's reservation is held: by the first row, else moved to the first that is ours."""
        if isinstance(first, Granted):
            return True
        keys = [row.key for row in mine]
        if not isinstance(first, OverBudget):
            request, _ = self._request(mine)
            if await self._gateway.reserve(keys[0], self._gateway.worst(request)):
                return True
        await self._gateway.release(keys)
        return False

    def _request(self, rows: Sequence[Sharer]) -> tuple[Request, RowsChecker]:
        """Return the request about rows, under the key of the first, and what checks its answer."""
        count, question = len(rows), self._question
        if count not in self._kept:
            longer = MOST_TOKENS if isinstance(question.answer, (Struct, Text)) else LEAST_TOKENS
            sampling = replace(self._sampling, max_tokens=self._sampling.max_tokens + (count - 1) * longer)
            checker = RowsChecker(question.answer, count, self._one)
            self._kept[count] = (shared_schema(question.answer, count), sampling, checker)
        schema, sampling, checker = self._kept[count]
        user = fence_rows(question.template, [row.values for row in rows])
        return Request(self._gateway.model, self._system, user, schema, sampling, rows[0].key), checker


def groups(rows: Sequence[Sharer], most: int) -> Iterator[list[Sharer]]:
    """Yield rows in order, ``most`` at a time, fewer where they are long."""
    group: list[Sharer] = []
    characters = 0
    for row in rows:
        size = len(row.request.user)
        if group and (len(group) >= most or characters + size > MOST_CHARACTERS):
            yield group
            group, characters = [], 0
        group.append(row)
        characters += size
    if group:
        yield group


def _divide(outcome: Outcome, valid: Mapping[int, Answer], rows: int) -> list[Outcome]:
    """Return each row's outcome: its part of a valid answer, or of one that was valid in part; the cost is shared out."""
    if isinstance(outcome, Answer):
        texts = json.loads(outcome.text)
        valid = {n: replace(outcome, text=canonical(texts[str(n)])) for n in range(1, rows + 1)}
    found: list[Outcome] = []
    for number in range(1, rows + 1):
        one = valid.get(number, outcome)
        cost = None if outcome.cost is None else outcome.cost / rows
        found.append(replace(one, usage=_share(outcome.usage, number - 1, rows), cost=cost))
    return found


def _share(usage: Usage, place: int, rows: int) -> Usage:
    """Return the tokens of one row of a request; those of all rows add up to the request's."""
    parts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    return Usage(*(total * (place + 1) // rows - total * place // rows for total in parts))
