"""Tables with attacks in their cells, and an understood table without asking a model."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

import rowsight
from rowsight.execution.summaries.summary import Dropped, GroupSummary, Sentence, Summary
from rowsight.execution.themes.found import Cell, Example, Theme, Themes
from rowsight.execution.understand.anomalies import Anomaly
from rowsight.execution.understand.chosen import Chosen
from rowsight.execution.understand.understood import Shown, Spent, Understanding

RUN = "document.documentElement.dataset.ran='yes'"
ATTACKS = (
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f"</script><script>{RUN}</script>",
    f"</title></style></textarea></table><svg onload={RUN}>",
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"'><iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"javascript:{RUN}",
    f'<a href="javascript:{RUN}">click</a>',
    f"<!--<script>{RUN}//-->",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"datum['a'] + warn('{RUN}') + event.view",
    "a.b[0]['c\"d\\e'] \\u003cscript\\u003e",
    "\u2028\u2029\u202eright to left\u0000\u0007",
    '<meta http-equiv="refresh" content="0;url=https://example.org/gone">',
    '<link rel=stylesheet href=https://example.org/a.css><base href="https://example.org/">',
)


def hostile(rows=60):
    """Return a table whose cells and column names are attacks."""
    texts = [f"{ATTACKS[i % len(ATTACKS)]} in a text that is long enough, number {i}" for i in range(rows)]
    names = {
        "body": texts,
        ATTACKS[1]: [i % 5 for i in range(rows)],
        "a.b['c']\"d\\": [ATTACKS[i % len(ATTACKS)] for i in range(rows)],
        ATTACKS[9]: [float(i) / 7 for i in range(rows)],
        ATTACKS[2]: [dt.datetime(2025, 1, 1) + dt.timedelta(days=i) for i in range(rows)],  # noqa: DTZ001 - no zone
    }
    return pa.table(names)


def understood(table, texts, name=lambda i: f"theme {i}"):
    """Return an understood ``table``: the themes, the summary and the anomalies are about ``texts``, its rows."""
    profile = rowsight.read(table).profile()
    cells = tuple(Cell(name(i), 50, 20, 0.2 + i / 50, 0.1 + i / 50, 0.3 + i / 50) for i in range(3))
    spans = tuple(Cell(f"2025-0{i + 1}-01", 50, 20, 0.2 + i / 50, 0.1, 0.4) for i in range(3))
    themes = tuple(
        Theme(name(i), name(i + 1), 20, 0.3 - i / 30, 0.2, 0.4, (Example(i, texts[i]),), cells, spans)
        for i in range(min(15, len(texts)))
    )
    rest = Theme("(none of these)", "", 5, 0.05, 0.0, 0.1, (Example(0, texts[0]),))
    found = Themes("{body}", name(0), themes, rest, 60, 60, 40, 0, 0.95, name(0), name(1), "month")
    sentences = tuple(Sentence(text, (i,), (i,), 1) for i, text in enumerate(texts[:5]))
    summary = Summary("{body}", None, None, (GroupSummary(None, 60, 60, 0, 60, sentences),), Dropped(1, 1, 1), 4, 0.5)
    rows = {i: Shown(i, name(i), text) for i, text in enumerate(texts)}
    odd = tuple(Anomaly(i, "unlike the others", 4.0) for i in range(min(4, len(texts))))
    spent = (Spent("themes", name(2), 10, 0, 100, 10, None, 1.0, budget_spent=False),)
    columns = Chosen(profile.text or "body", None, None, name(3))
    return Understanding(profile, columns, odd, found, summary, rows, spent, name(4), "500 calls", (name(5),))
