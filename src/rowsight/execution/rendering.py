"""Rows as text and as HTML, for consoles and notebooks."""

from __future__ import annotations

import html
from typing import Any

import pyarrow as pa

from rowsight.engines.arrow import python_rows

LONGEST_CELL = 120
LONGEST_IN_TEXT = 48


def as_html(rows: pa.Table, caption: str) -> str:
    """Return rows as an HTML table above its caption."""
    header = "".join(f"<th>{html.escape(n)}</th>" for n in rows.column_names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(shortened(v, LONGEST_CELL))}</td>" for v in row) + "</tr>"
        for row in python_rows(rows)
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table><p>{html.escape(caption)}</p>"


def as_text(rows: pa.Table) -> str:
    """Return rows as lines of aligned columns under their names, nothing where there are no rows."""
    if not rows.num_rows:
        return ""
    cells = [[" ".join(shortened(v, LONGEST_IN_TEXT).split()) for v in row] for row in python_rows(rows)]
    lines = [rows.column_names, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(rows.num_columns)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def shortened(value: Any, most: int) -> str:
    """Return a value's text, cut to ``most`` characters; nothing for ``None``."""
    text = "" if value is None else str(value)
    return text if len(text) <= most else text[: most - 3] + "..."
