"""CSV files whose lines don't have the same number of fields.

DuckDB's search for a file's form gets by with such a file: it takes the lines above the odd one for a preamble and leaves
them out, or takes every line for the text of one column. Rows would be lost, or never found, without a word.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from rowsight.core.errors import SourceError

_DELIMITERS = ",;\t|"


def check_form(path: str, found: Mapping[str, Any]) -> None:
    """Raise ``SourceError`` where the form that DuckDB found leaves out rows of a table, or its columns.

    ``found`` is what ``sniff_csv`` says. A title above the table, blank lines and comments may be left out.
    """
    with _opened(path) as lines:
        above = list(islice(lines, int(found["SkipRows"])))
        head = next(lines, "")
    delimiter = str(found["Delimiter"])
    rows = [line for line in above if delimiter in line and not line.startswith("#")]
    if len(found["Columns"]) == 1 and not head.startswith('"'):
        delimiter = max(_DELIMITERS, key=head.count)
        rows += [head] if delimiter in head else []
    if rows:
        raise SourceError(
            f"{Path(path).name} isn't a table: {_odd_line(path, delimiter)}; give every line the same number of fields, with "
            f"those that hold {delimiter!r} in double quotes, and leave out what stands above the names of the columns"
        )


def may_hide_rows(path: str, found: Mapping[str, Any]) -> bool:
    """Say whether a line that DuckDB takes for a comment may be a row: below the names, with as many fields as they are."""
    mark, delimiter, fields = str(found["Comment"]), str(found["Delimiter"]), len(found["Columns"])
    named = False
    with _opened(path) as lines:
        for line in lines:
            if not line.startswith(mark):
                named = named or bool(line.strip())
            elif named and len(next(csv.reader([line], delimiter=delimiter), [])) == fields:
                return True
    return False


def _odd_line(path: str, delimiter: str) -> str:
    """Say which line has another number of fields than the first."""
    with _opened(path) as lines:
        reader = csv.reader(lines, delimiter=delimiter)
        try:
            first = len(next(reader, []))
            for row in reader:
                if row and len(row) != first:
                    return f"line {reader.line_num:,} splits into {len(row):,}, line 1 into {first:,}"
        except csv.Error as error:
            return f"line {reader.line_num:,}: {error}"
    return f"its lines aren't split by {delimiter!r} alike"


def _opened(path: str) -> IO[str]:
    if path.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return Path(path).open(encoding="utf-8-sig", errors="replace", newline="")
