"""Compare a query, planned and run, with the reference."""

from __future__ import annotations

import asyncio
from collections import Counter

from sql_reference import Simple, multiset, reference

from rowsight.engines.sources import source_of
from rowsight.execution.queried import Tables, queried
from rowsight.plan.sql.order import SAMPLE
from rowsight.plan.sql.text import parse


def compare(generated, tables):
    """Return (calls made, calls of naive evaluation); raise ``AssertionError`` where the results differ."""
    oracle = Simple()
    sources = Tables({name: source_of(table) for name, table in tables.items()})
    got = asyncio.run(queried(parse(generated.text), sources, oracle)).rows
    whole, asked = reference(generated.whole, tables)
    assert got.schema.names == whole.schema.names, (got.schema, whole.schema)
    assert [f.type for f in got.schema] == [f.type for f in whole.schema], (got.schema, whole.schema)
    if generated.limit is None:
        assert multiset(got) == multiset(whole)
    else:
        assert got.num_rows == min(generated.limit, whole.num_rows), (got.num_rows, whole.num_rows)
        assert not Counter(multiset(got)) - Counter(multiset(whole))
    if generated.ordered:
        assert got.equals(whole.slice(0, got.num_rows)), "the order differs"
    assert len(oracle.asked) <= len(asked) + SAMPLE * generated.sites, (len(oracle.asked), len(asked))
    return len(oracle.asked), len(asked)
