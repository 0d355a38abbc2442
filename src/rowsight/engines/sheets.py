"""Sheets that people fill in: cells of text in a CSV, Parquet or Excel file, written so that no cell is a formula.

A spreadsheet program runs a cell of a CSV file that begins with ``=``, ``+``, ``-`` or ``@`` (or a tab or a return before
one). Such cells are written with an apostrophe before them, as these programs mean it, and so is a cell that begins with an
apostrophe; reading takes one away. In an Excel file cells are marked as text.

Opening a CSV file and saving it rewrites numbers, dates and truth values in the manner of the country, adds separators and
sheets, changes the encoding. ``steady`` is what survives of a cell, so that two of them can be compared.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from rowsight.core.errors import MissingExtraError, OutputError, RowsightError, SourceError
from rowsight.core.replacing import replacing

Cells = dict[str, list[str | None]]
FORMATS = (".csv", ".parquet", ".xlsx")
SHEET = "review"
"""The name of the sheet in an Excel file."""
LONGEST_CELL = 32_000
"""Characters that a cell of a spreadsheet can hold, with some room; longer texts are cut."""
_WIDEST_COLUMN = 60
"""Characters of a line in an Excel file; longer texts are wrapped."""
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
_FIRST_DELIMITER = re.compile(r'(?:"[^"]*"|[^",;\t\n]*)([,;\t])')
YES = {
    *("yes", "y", "true", "t", "1", "ja", "j", "oui", "si", "sí", "sì", "sim", "tak", "да"),
    *("wahr", "vrai", "vero", "verdadero", "verdadeiro", "waar", "prawda", "истина"),
    *("是", "是的", "对", "有", "真", "はい", "예"),
}
"""Words by which people, and spreadsheet programs for them, say yes."""
NO = {
    *("no", "n", "false", "f", "0", "nein", "nee", "non", "não", "nao", "nie", "нет"),
    *("falsch", "faux", "falso", "onwaar", "fałsz", "ложь"),
    *("否", "不", "不是", "不对", "错", "没有", "假", "いいえ", "아니요"),
}
_DATE = re.compile(r"(\d{1,4}([-/.])\s?\d{1,2}\2\s?\d{1,4}(?:[T\s]+[\d:]+)?)(?:(?<=:\d\d)\.\d+)?(?:Z|[-+]\d\d:\d\d)?")
_NUMBER = re.compile(r"[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?")
_LONGEST_NUMBER = 1e11
"""From here on a spreadsheet program writes a number by its first digits and a power of ten."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def cell_text(text: str) -> str:
    """Return what a cell can hold of ``text``: no control characters, one kind of line end, no more than fits."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST_CELL].rstrip()


def steady(cell: str) -> str:
    """Return what a spreadsheet program leaves of a cell that it opens and saves: numbers and dates in one form.

    Decimal commas, leading zeros, digits beyond the fifth of a long number, the order of a date's parts and the words for
    true and false are its own; everything else stays but for white space at the ends and its amount.
    """
    text = " ".join(cell.split())
    if text.casefold() in YES | NO and not text.isdigit():
        return "yes" if text.casefold() in YES else "no"
    if date := _DATE.fullmatch(text):
        parts = [int(part) % 100 for part in re.findall(r"\d+", date[1])]
        return "date " + " ".join(str(part) for part in sorted(parts) if part)
    if _NUMBER.fullmatch(text):
        number = float(text.replace(",", "."))
        return f"{number:.4g}" if abs(number) >= _LONGEST_NUMBER else f"{number:.10g}"
    return text


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
    except RowsightError:
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
    text = _decoded(path)
    named = _DELIMITER_LINE.match(text)  # how some programs say it
    text = text[named.end() :] if named else text
    found = named or _FIRST_DELIMITER.match(text)  # spreadsheet programs of many countries write semicolons
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=found[1] if found else ","))
    return _columns(path, [[_unquoted(cell) or None for cell in row] for row in rows])


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(
            f"{path} is not in UTF-8, so that its texts can't be told; save the sheet as 'CSV UTF-8', or fill in an .xlsx one"
        ) from None


def _columns(path: Path, rows: Sequence[Sequence[str | None]]) -> Cells:
    """Return the columns that have a name; rows without any cell are left out."""
    header, *body = rows or [[]]
    names = [(name or "").strip() for name in header]
    columns = list(zip_longest(*(row for row in body if any(row))))
    columns += [()] * (len(names) - len(columns))
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise SourceError(f"{path} has two columns {min(twice)!r}; keep one")
    return {name: list(column) for name, column in zip(names, columns, strict=False) if name}


def _write_parquet(file: IO[bytes], cells: Mapping[str, Sequence[str]]) -> None:
    pa_parquet.write_table(pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()}), file)


def _read_parquet(path: Path) -> Cells:
    table = pa_parquet.read_table(path)
    return {n: [_shown(v) for v in table.column(n).to_pylist()] for n in table.column_names}


def _write_excel(file: IO[bytes], cells: Mapping[str, Sequence[str]]) -> None:
    styles = _openpyxl().styles
    book = _openpyxl().Workbook()
    sheet = book.active
    sheet.title, sheet.freeze_panes = SHEET, "A2"
    wrapped, bold = styles.Alignment(wrap_text=True, vertical="top"), styles.Font(bold=True)
    for column, (name, texts) in enumerate(cells.items(), 1):
        for row, text in enumerate((name, *texts), 1):
            if text:
                cell = sheet.cell(row, column)
                cell.value, cell.alignment = text, wrapped
                cell.data_type, cell.quotePrefix = "s", True  # whatever it begins with, it is text
        sheet.cell(1, column).font = bold
        widest = max(len(text) for text in (name, *texts))
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = min(widest + 2, _WIDEST_COLUMN)
    book.save(file)


def _read_excel(path: Path) -> Cells:
    """Return the columns of the sheet that was written, wherever it stands now; a formula counts as what it came to."""
    with path.open("rb") as file:
        book = _openpyxl().load_workbook(file, read_only=True, data_only=True)
        sheet = book[SHEET] if SHEET in book.sheetnames else book.worksheets[0]
        return _columns(path, [[_shown(value) for value in row] for row in sheet.iter_rows(values_only=True)])


def _shown(value: Any) -> str | None:
    if value is None or value == "" or value != value:  # noqa: PLR0124 - a number that is none: a cell that is empty
        return None
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
