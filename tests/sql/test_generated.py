"""Generated queries: the result is the reference's, with few calls."""

import pytest
from sql_compare import compare
from sql_generated import Writer, tables


@pytest.mark.parametrize("first", range(0, 200, 40))
def test_results_equal_the_reference(first):
    for seed in range(first, first + 40):
        compare(Writer(seed).query(), tables(seed))
