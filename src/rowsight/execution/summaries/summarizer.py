"""A summary in the making: leaves, merges and checks as calls on the run's road, level by level."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.asking import Arguments
from rowsight.execution.joint import Heard, Joint
from rowsight.execution.summaries.summary import SPENT, Dropped, Gap, GroupSummary, Sentence, Summary
from rowsight.execution.summaries.tree import FENCE_TOKENS, Shape, packed
from rowsight.execution.truncation import halved
from rowsight.operators.summarize import MOST_CITED, checking, merging, writing
from rowsight.operators.together import Block, row_text
from rowsight.plan.gathers import Summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.calls.gateway import Gateway
    from rowsight.execution.distinct import DistinctRows
    from rowsight.execution.options import RunOptions


@dataclass(frozen=True)
class Draft:
    """A sentence on its way up: its text, the distinct rows that it cites, and how many rows its facts were seen in."""

    text: str
    cited: tuple[int, ...]
    support: int


@dataclass
class Progress:
    """What became of each distinct row, and what was counted on the way."""

    status: list[str]
    keys: list[bytes | None]
    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, Gap]] = field(default_factory=list)
    """(group, gap) in the order in which they came up."""
    notes: Counter[str] = field(default_factory=Counter)
    from_ledger: int = 0
    """Rows whose leaf an earlier run had paid."""


class Summarizer:
    """One summary over ``rows``: ``summary`` asks for it, ``progress`` says what became of each row."""

    def __init__(self, ask: Summarize, rows: DistinctRows, gateway: Gateway, options: RunOptions) -> None:
        self._ask, self._rows, self._gateway = ask, rows, gateway
        self._shape = Shape(ask.chunk_tokens, ask.sentences)
        self._truncate = options.truncate
        made = {"max_tokens": options.max_tokens}
        self._writing = Joint(writing(ask.template, ask.sentences), gateway, **made)
        self._merging = Joint(merging(ask.template, ask.sentences), gateway, **made)
        self._checking = Joint(checking(), gateway, **made)
        self._cut: dict[int, Arguments] = {}
        self._turn = asyncio.Semaphore(2 * options.concurrency)
        self.progress = Progress(["skipped"] * rows.count, [None] * rows.count)

    async def summary(self, chosen: Sequence[NDArray[np.int64]], share: float | None) -> Summary:
        """Return the summary of the ``chosen`` distinct rows, one array a group; ``share`` is that of a sample."""
        before = self._gateway.tally.calls
        roots = await asyncio.gather(*(self._group(number, rows) for number, rows in enumerate(chosen)))
        groups = [self._told(number, rows, root) for number, (rows, root) in enumerate(zip(chosen, roots, strict=True))]
        groups.sort(key=lambda g: (g.value is None, g.value or ""))
        counts = {name: self.progress.counts[name] for name in Dropped.__dataclass_fields__}
        notes = [f"{said} ({times:,} times)" for said, times in sorted(self.progress.notes.items())]
        return Summary(
            self._ask.template.source,
            self._ask.by,
            self._ask.key,
            tuple(groups),
            Dropped(**counts),
            self._gateway.tally.calls - before,
            share,
            tuple(notes),
        )

    async def _group(self, group: int, rows: NDArray[np.int64]) -> list[Draft]:
        """Return the sentences about the rows of one group."""
        leaves = self._shape.leaves(self._rows.tokens[rows])
        leaf = (self._leaf(group, number, rows[a:b].tolist()) for number, (a, b) in enumerate(leaves, 1))
        parts: list[list[Draft]] = await asyncio.gather(*leaf)
        merged = len(parts) > 1
        while len(parts) > 1:
            fan = self._shape.fan
            parts = await asyncio.gather(*(self._merge(parts[i : i + fan]) for i in range(0, len(parts), fan)))
        if not parts:
            return []
        if not merged:
            return parts[0]
        return await self._supported([replace(draft, cited=_spread(draft.cited)) for draft in parts[0]])

    # leaves

    async def _leaf(self, group: int, number: int, rows: list[int]) -> list[Draft]:
        """Return checked sentences about the rows of a leaf; where it is too long for the window, of its halves."""
        ids = {f"r{place}": row for place, row in enumerate(rows, 1)}
        heard = await self._heard(self._writing, lambda: self._row_blocks(ids))
        if heard.too_long and (parts := self._shorter(rows)):
            return [draft for part in parts for draft in await self._leaf(group, number, part)]
        for row in rows:
            self.progress.status[row], self.progress.keys[row] = heard.status, heard.key
        if heard.status != "asked":
            self._gap(group, number, rows, heard)
            return []
        self.progress.from_ledger += self._copies(rows) if heard.from_ledger else 0
        return await self._supported(self._cited(heard.value, {i: (row,) for i, row in ids.items()}))

    def _shorter(self, rows: list[int]) -> list[list[int]]:
        """Return the halves of a leaf, or its only row again once it was cut; nothing where that can't be."""
        if len(rows) > 1:
            return [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
        (row,) = rows
        shorter = halved(self._arguments([row])[0]) if self._truncate else None
        if shorter is None:
            return []
        self._cut[row] = shorter
        return [rows]

    def _gap(self, group: int, leaf: int, rows: list[int], heard: Heard) -> None:
        reason = SPENT if heard.status == "skipped" else heard.reason or "failed"
        gap = Gap(leaf, int(self._rows.copies[rows].sum()), reason, heard.detail or "")
        self.progress.gaps.append((group, gap))

    def _arguments(self, rows: Sequence[int]) -> list[Arguments]:
        found = self._rows.arguments(rows)
        return [self._cut.get(row, arguments) for row, arguments in zip(rows, found, strict=True)]

    def _row_blocks(self, ids: dict[str, int]) -> list[Block]:
        arguments = self._arguments(list(ids.values()))
        return [
            Block(i, row_text(self._ask.template, values), self._repeated(row))
            for (i, row), values in zip(ids.items(), arguments, strict=True)
        ]

    def _repeated(self, row: int) -> str:
        copies = int(self._rows.copies[row])
        return f"{copies:,} rows are equal to the next" if copies > 1 else ""

    def _cited(self, said: list[tuple[str, tuple[str, ...]]], known: dict[str, tuple[int, ...]]) -> list[Draft]:
        """Return sentences with the rows behind their ids; ids that don't exist, and sentences without any, are dropped."""
        drafts: list[Draft] = []
        for text, ids in said:
            real = [i for i in ids if i in known]
            self.progress.counts["citations"] += len(ids) - len(real)
            if real:
                cited = tuple(dict.fromkeys(row for i in real for row in known[i]))
                drafts.append(Draft(text, cited, self._copies(cited)))
            else:
                self.progress.counts["uncited"] += 1
        return drafts

    # merges

    async def _merge(self, parts: list[list[Draft]]) -> list[Draft]:
        """Return the sentences of several parts as few; where that fails, all of them as they are."""
        parts = [part for part in parts if part]
        drafts = [draft for part in parts for draft in part]
        if len(parts) < 2:  # noqa: PLR2004 - nothing to merge
            return drafts
        known = {f"s{place}": draft.cited for place, draft in enumerate(drafts, 1)}
        heard = await self._heard(
            self._merging, lambda: [self._draft_block(i, d) for i, d in zip(known, drafts, strict=True)]
        )
        if heard.too_long and len(parts) > 2:  # noqa: PLR2004
            half = len(parts) // 2
            return [*await self._merge(parts[:half]), *await self._merge(parts[half:])]
        if heard.status != "asked":
            self.progress.notes[f"sentences stand unmerged: {heard.reason or SPENT}"] += 1
            return drafts
        return self._cited(heard.value, known)

    def _draft_block(self, name: str, draft: Draft) -> Block:
        return Block(name, draft.text, f"said by {draft.support:,} rows or more")

    def _copies(self, rows: Sequence[int]) -> int:
        return int(self._rows.copies[list(rows)].sum())

    # checks

    async def _supported(self, drafts: list[Draft]) -> list[Draft]:
        """Return the sentences that rows support, each with the rows that do."""
        sizes = [int((self._rows.tokens[list(draft.cited)] + FENCE_TOKENS).sum()) for draft in drafts]
        packs = packed(sizes, self._shape.chunk_tokens)
        checked = await asyncio.gather(*(self._check([drafts[i] for i in pack]) for pack in packs))
        return [draft for part in checked for draft in part]

    async def _check(self, drafts: list[Draft]) -> list[Draft]:
        rows = list(dict.fromkeys(row for draft in drafts for row in draft.cited))
        ids = {f"r{place}": row for place, row in enumerate(rows, 1)}
        heard = await self._heard(self._checking, lambda: self._check_blocks(drafts, ids))
        if heard.too_long and len(drafts) > 1:
            half = len(drafts) // 2
            return [*await self._check(drafts[:half]), *await self._check(drafts[half:])]
        if heard.status != "asked":
            self.progress.counts["unchecked"] += len(drafts)
            self.progress.notes[f"a check failed: {heard.reason or SPENT}"] += 1
            return []
        checks = [heard.value[f"c{place}"] for place in range(1, len(drafts) + 1)]
        found = [self._confirmed(d, [ids[i] for i in c if i in ids]) for d, c in zip(drafts, checks, strict=True)]
        return [draft for draft in found if draft is not None]

    def _check_blocks(self, drafts: list[Draft], ids: dict[str, int]) -> list[Block]:
        names = {row: i for i, row in ids.items()}
        sentences = [
            Block(f"c{place}", draft.text, f"cites {', '.join(names[row] for row in draft.cited)}")
            for place, draft in enumerate(drafts, 1)
        ]
        return [*self._row_blocks(ids), *sentences]

    def _confirmed(self, draft: Draft, supporting: list[int]) -> Draft | None:
        """Return the sentence with those of its rows that support it; ``None`` where none does."""
        good = [row for row in draft.cited if row in supporting]
        if not good:
            self.progress.counts["unsupported"] += 1
            return None
        lost = [row for row in draft.cited if row not in supporting]
        self.progress.counts["unsupporting"] += len(lost)
        return replace(draft, cited=tuple(good), support=draft.support - self._copies(lost))

    # all of them

    async def _heard(self, joint: Joint, blocks: Callable[[], list[Block]]) -> Heard:
        """Ask in turn, so that only the requests of a few calls are held at once."""
        async with self._turn:
            return await joint.ask(blocks())

    def _told(self, group: int, chosen: NDArray[np.int64], drafts: list[Draft]) -> GroupSummary:
        """Return a group's summary in terms of rows of the input."""
        rows = self._rows
        value = next(v for v, code in rows.groups.items() if code == group)
        distinct = np.flatnonzero(rows.group == group)
        read = [row for row in distinct.tolist() if self.progress.status[row] == "asked"]
        gaps = [gap for of, gap in self.progress.gaps if of == group]
        gaps.sort(key=lambda g: (g.leaf or 0, g.rows))
        if left := int(rows.copies[np.setdiff1d(distinct, chosen)].sum()):
            gaps.append(Gap(None, left, "outside the sample that the budget allows"))
        given = int(rows.copies[distinct].sum())
        null = rows.nulls(group)
        sentences = tuple(self._sentence(draft) for draft in drafts)
        return GroupSummary(value, given + null, int(rows.copies[read].sum()), null, len(read), sentences, tuple(gaps))

    def _sentence(self, draft: Draft) -> Sentence:
        """Return a sentence with its rows in the order of the input."""
        cited = sorted(draft.cited, key=lambda row: int(self._rows.first[row]))
        places = self._rows.positions[self._rows.first[cited]].tolist()
        keys: list[Any] = places if self._ask.key is None else self._rows.keys(cited, self._ask.key)
        return Sentence(draft.text, tuple(places), tuple(keys), draft.support)


def _spread(cited: tuple[int, ...]) -> tuple[int, ...]:
    """Return at most so many cited rows as a request may show, spread evenly over all."""
    if len(cited) <= MOST_CITED:
        return cited
    return tuple(cited[i * len(cited) // MOST_CITED] for i in range(MOST_CITED))
