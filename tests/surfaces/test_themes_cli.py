"""``rowsight themes``: what it prints, writes and refuses."""

from __future__ import annotations

import json

import pyarrow.csv as pc
import pytest

QUESTION = "Which topic has {text}?"


def test_themes_are_printed_saved_and_compared(cli):
    first = cli(
        "themes", "tickets.parquet", QUESTION, "--k", "6", "--sample", "60", "--save", "may.json", "--out", "rows.csv"
    )
    assert first.code == 0, first.err
    assert "(none of these)" in first.out
    assert "With probability 0.95 every theme's share" in first.out
    rows = pc.read_csv(cli.folder / "rows.csv")
    assert {"themes", "themes_status"} <= set(rows.column_names)
    saved = json.loads((cli.folder / "may.json").read_text())
    assert saved["format"] == "rowsight-themes-1"
    again = cli("themes", "tickets.parquet", QUESTION, "--k", "6", "--sample", "60", "--against", "may.json", "--json")
    assert again.code == 0, again.err
    assert again.json["calls"] <= 1, "all but the refused question is in the ledger"
    assert {c["kind"] for c in again.json["changes"]["changes"]} == {"unchanged"}
    assert again.json["themes"]["themes"]
    assert again.json["rows"] == sum(again.json[n] for n in ("asked", "proxied", "null", "failed", "skipped"))


def test_a_dry_run_asks_nothing(cli):
    found = cli("themes", "tickets.parquet", QUESTION, "--dry-run", "--json")
    assert found.code == 0
    assert 0 < found.json["estimate"]["calls_low"] <= found.json["estimate"]["calls_high"] <= 1000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--labels", ""], "labels is empty"),
        (["--k", "0"], "labels"),
        (["--by", "regio"], "regio"),
        (["--against", "none.json"], "can't be read"),
        (["--save", "no/folder.json"], "doesn't exist"),
        (["--out", "rows.xyz"], "rows.xyz"),
        (["--sample", "-3"], "sample"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(cli, given, says):
    found = cli("themes", "tickets.parquet", QUESTION, *given)
    assert (found.code, found.out) == (2, "")
    assert says in found.err
    assert found.err.count("\n") == 1
    assert "Traceback" not in found.err
