"""Every query of the page about SQL runs and gives what the reference gives."""

import re
from pathlib import Path

import pytest
from sql_reference import Simple, multiset, reference
from sql_tables import tickets

from rowsight.surfaces.sql import connect

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sql.md"
ROW = re.compile(r"^\| `(SELECT .*?)` \| (\w+) \|", re.MULTILINE)


def queries():
    return [q.replace("\\|", "|") for q, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))]


def test_the_page_tables_all_three_vendors():
    assert {vendor for _, vendor in ROW.findall(PAGE.read_text(encoding="utf-8"))} >= {
        "Snowflake",
        "BigQuery",
        "Databricks",
    }
    assert len(queries()) > 30


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_page_runs(query):
    tables = {"tickets": tickets()}
    got = connect(oracle=Simple(), tables=tables).sql(query).rows
    whole, _ = reference(query, tables)
    assert got.schema.types == whole.schema.types
    assert got.schema.names == whole.schema.names
    if "LIMIT" not in query:
        assert multiset(got) == multiset(whole)
