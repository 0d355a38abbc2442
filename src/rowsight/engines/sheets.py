"""Sheets that people fill in: cells of text in a CSV, Parquet or Excel file, written so that no cell is a formula.

A spreadsheet program runs a cell of a CSV file that begins with ``=``, ``+``, ``-`` or ``@`` (or a tab or a return before
one). Such cells are written with an apostrophe before them, as these programs mean it, and so is a cell that begins with an
apostrophe; reading takes one away. In an Excel file cells are marked as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from rowsight.core.errors import MissingExtraError, OutputError, SourceError
from rowsight.core.replacing import replacing

Cells = dict[str, list[str | None]]
FORMATS = (".csv", ".parquet", ".xlsx")
LONGEST_CELL = 32_000
"""Characters that a cell of a spreadsheet can hold, with some room; longer texts are cut."""
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")
_FIRST_DELIMITER = re.compile(r'(?:"[^"]*"|[^",;\t\n]*)([,;\t])')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def cell_text(text: str) -> str:
    """Return what a cell can hold of ``text``: no control characters, one kind of line end, no more than fits."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST_CELL].rstrip()


def check_sheet(path: Path) -> None:
    """Raise ``OutputError`` where the ending of ``path`` names no sheet, ``MissingExtraError`` where Excel can't be written."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path} is no sheet to fill in; name a file that ends in {', '.join(FORMATS)}")
    if path.suffix.lower() == ".xlsx":
        _openpyxl()


def write_sheet(path: Path, cells: Mapping[str, Sequence[str]]) -> None:
    """Write columns of cells, all of one length; the file appears whole or not at all."""
    check_sheet(path)
    write = {".csv": _write_csv, ".parquet": _write_parquet, ".xlsx": _write_excel}[path.suffix.lower()]
    with replacing(path) as file:
        write(file, cells)


def read_sheet(path: Path) -> Cells:
    """Return the columns of a sheet; an empty cell is ``None``. ``SourceError`` where it can't be read."""
    if path.suffix.lower() not in FORMATS:
        raise SourceError(f"{path} is no sheet that was to be filled in; it must end in {', '.join(FORMATS)}")
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    read = {".csv": _read_csv, ".parquet": _read_parquet, ".xlsx": _read_excel}[path.suffix.lower()]
    try:
        return read(path)
    except MissingExtraError:
        raise
    except Exception as error:
        raise SourceError(f"{path} can't be read: {error}") from error


def _write_csv(file: IO[bytes], cells: Mapping[str, Sequence[str]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")  # the mark tells Excel that it is UTF-8
    writer = csv.writer(text)
    writer.writerow([_quoted(name) for name in cells])
    writer.writerows([_quoted(cell) for cell in row] for row in zip(*cells.values(), strict=True))
    text.detach()  # or it would close the file


def _quoted(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_DANGEROUS) else cell


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_DANGEROUS) else cell


def _read_csv(path: Path) -> Cells:
    csv.field_size_limit(2**31 - 1)
    text = path.read_text(encoding="utf-8-sig")
    found = _FIRST_DELIMITER.match(text)  # spreadsheet programs of many countries write semicolons
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=found[1] if found else ","))
    header, *body = rows or [[]]
    body = [row for row in body if any(row)]
    return {
        name: [(_unquoted(row[i]) or None) if i < len(row) else None for row in body]
        for i, name in enumerate(map(_unquoted, header))
    }


def _write_parquet(file: IO[bytes], cells: Mapping[str, Sequence[str]]) -> None:
    pa_parquet.write_table(pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()}), file)


def _read_parquet(path: Path) -> Cells:
    table = pa_parquet.read_table(path)
    return {
        n: [None if v is None or v == "" else _shown(v) for v in table.column(n).to_pylist()]
        for n in table.column_names
    }


def _write_excel(file: IO[bytes], cells: Mapping[str, Sequence[str]]) -> None:
    book = _openpyxl().Workbook()
    sheet = book.active
    sheet.title, sheet.freeze_panes = "review", "A2"
    for column, (name, texts) in enumerate(cells.items(), 1):
        for row, text in enumerate((name, *texts), 1):
            if text:
                cell = sheet.cell(row, column)
                cell.value = text
                cell.data_type, cell.quotePrefix = "s", True  # whatever it begins with, it is text
    book.save(file)


def _read_excel(path: Path) -> Cells:
    with path.open("rb") as file:
        sheet = _openpyxl().load_workbook(file, read_only=True).worksheets[0]
        header, *body = [list(row) for row in sheet.iter_rows(values_only=True)] or [[]]
    body = [row for row in body if any(v is not None for v in row)]
    names = [str(n) for n in header if n is not None]
    return {
        n: [None if i >= len(row) or row[i] is None else _shown(row[i]) for row in body] for i, n in enumerate(names)
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _openpyxl() -> Any:
    try:
        import openpyxl  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("openpyxl", "excel") from error
    return openpyxl
