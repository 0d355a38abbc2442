"""What the planner knows of DuckDB is true."""

import duckdb
from sql_reference import Simple

from rowsight.plan.sql.aggregates import AGGREGATES
from rowsight.plan.sql.text import parse
from rowsight.surfaces.sql import connect


def test_the_aggregates_are_those_of_the_installed_duckdb():
    with duckdb.connect() as con:
        found = con.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
        )
        names = {row[0] for row in found.fetchall()}
    assert {n for n in names if n.replace("_", "").isalnum()} <= AGGREGATES


def test_the_moment_is_one_for_all_stages():
    con = connect(oracle=Simple())
    query = "SELECT now() = get_current_timestamp(), AI_FILTER('q', 'x ' || current_date) IS NOT NULL FROM range(2)"
    assert {row[0] for row in con.sql(query).fetchall()} == {True}


def test_positions_count_lines_and_columns_from_one():
    parsed = parse("SELECT\n  AI_FILTER('a', x)\nFROM t")
    assert str(parsed.sites[0].place) == "line 2, column 3"
