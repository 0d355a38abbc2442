"""Results in consoles and notebooks, with nothing but what Rowsight itself needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from rowsight.execution.rendering import as_html, as_text

ROWS = pa.table({"n": [1, None], "文本": ["<b>bold</b>\nand more", "x" * 500], "tags": [["a"], []]})


def test_text_is_aligned_and_cut():
    assert as_text(ROWS).splitlines()[:2] == [
        "n  文本                                                tags",
        "1  <b>bold</b> and more                              ['a']",
    ]
    assert max(map(len, as_text(ROWS).splitlines())) < 70
    assert as_text(ROWS.slice(0, 0)) == ""


def test_html_shows_values_as_they_are_and_runs_none():
    shown = as_html(ROWS, "2 rows & more")
    assert "<td>&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "2 rows &amp; more" in shown
    assert "x" * 121 not in shown


BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "polars"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
import pyarrow as pa
"""
SCRIPT = f"""
{BARE}
import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

table = pa.table({{"text": ["a", "b", "c"], "truth": [True, False, True]}})
with SimulatedServer(SimulationConfig(text="text", truths=(Truth("truth"),)), table.to_batches()) as server:
    asked, model = rowsight.read(table), {{"model": "sim", "base_url": server.base_url, "ledger": False}}
    shown = [asked.preview("Is {{text}} so?", 2, **model), asked.diff("Is {{text}} so?", "So {{text}}?", 2, **model)]
    shown.append(asked.filter("Is {{text}} so?").run(**model))
    print(*map(repr, shown), *(one._repr_html_() for one in shown), asked.filter("Is {{text}} so?"))
"""
NANOSECONDS = f"""
{BARE}
import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

at = pa.array([1, 1_000_000_000, 1] * 20, pa.timestamp("ns"))
table = pa.table({{"text": [f"text {{i}}" for i in range(60)], "truth": [i % 2 == 0 for i in range(60)], "at": at}})
with SimulatedServer(SimulationConfig(text="text", truths=(Truth("truth"),)), table.to_batches()) as server:
    model = {{"model": "sim", "base_url": server.base_url, "ledger": False}}
    table = rowsight.read(table)
    found = table.filter("Is {{text}} so?", recall=0.9, by="at").run(**model)
    print(sorted(found.certificate.body["table"]["groups"]))
    print(list(table.share("Is {{text}} so?", within=0.2, by="at").run(**model).groups))
"""


def test_everything_is_shown_without_pandas_and_polars(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "<Preview of 'Is {text} so?': 2 rows, " in done.stdout


def test_nanoseconds_make_groups_without_pandas(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", NANOSECONDS], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert "1970-01-01T00:00:00.000000001" in line
        assert "1970-01-01 00:00:01" in line
