"""Small samples that tell the optimizer what to ask first. Their answers are kept: what is asked here isn't asked again."""

from __future__ import annotations

import asyncio
from itertools import islice

from rowsight.execution.asking import Arguments, arguments_of
from rowsight.execution.executor import Work, has_ask
from rowsight.optimizer.order_filters import chain_of_filters
from rowsight.optimizer.stats import Stats
from rowsight.plan.nodes import Ask, Node, walk

SAMPLE_ROWS = 32
_WORTH_SAMPLING = 8 * SAMPLE_ROWS


async def sampled_stats(plan: Node, work: Work) -> Stats:
    """Return selectivities and tokens of filters that stand in a row, from a few rows of the table each.

    Nothing is sampled where the order can't change or the table is so small that sampling costs more than it saves.
    """
    chain = next((c for n in reversed(list(walk(plan))) if len(c := chain_of_filters(n)) > 1), [])
    if not chain or has_ask(chain[-1].input):
        return Stats()
    rows = await asyncio.to_thread(_sample, chain, work)
    if len(rows) < SAMPLE_ROWS:
        return Stats()
    selectivity, tokens = {}, {}
    for ask in chain:
        columns = [chain_columns(chain).index(c) for c in ask.question.template.columns]
        arguments = list(dict.fromkeys(tuple(row[i] for i in columns) for row in rows))
        inquiry = work.inquiry(ask.question)
        told = [t.value for t in await inquiry.ask(arguments) if t.status == "asked"]
        if told:
            selectivity[ask.question] = sum(v is True for v in told) / len(told)
            tokens[ask.question] = _mean_length(ask, arguments)
    return Stats(selectivity, tokens)


def chain_columns(chain: list[Ask]) -> tuple[str, ...]:
    """Return the columns that the questions of a chain read, each once."""
    return tuple(dict.fromkeys(c for ask in chain for c in ask.question.template.columns))


def _sample(chain: list[Ask], work: Work) -> list[Arguments]:
    """Return rows spread evenly over the table, where it is large enough for a sample to pay."""
    source = chain[-1].input
    count = work.relations.count(source)
    if count < _WORTH_SAMPLING:
        return []
    columns, step = chain_columns(chain), count // SAMPLE_ROWS
    batches = work.relations.stream(source, columns, 2048)
    every = (a for batch in batches for a in arguments_of(batch, columns))
    return list(islice(every, step // 2, None, step))[:SAMPLE_ROWS]


def _mean_length(ask: Ask, arguments: list[Arguments]) -> float:
    lengths = [sum(len(t or "") for t in a) for a in arguments]
    return len(ask.question.system) + sum(lengths) / max(len(lengths), 1)
