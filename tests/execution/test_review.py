"""Samples for people to review, and what the filled sheets prove; nothing slips through a changed sheet."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from rowsight.core.errors import ColumnError, InputError, OutputError, SourceError
from rowsight.engines.sheets import cell_text, read_sheet, write_sheet
from rowsight.execution.audit import audited
from rowsight.execution.review import YOURS, Asked, ReviewOptions, drawn_for_review
from rowsight.guarantees.agreement import UNFILLED, agreement

ROWS = 400
ASKED = Asked("run-1", "Is {text} late?", "filter", "late")
NASTY = ("=1+1", "+SUM(A1)", "-2", "@cmd", "\ttab", "'=x", "''", "a,b;c", 'quo"te', "two\nlines", "\u2028sep", "")


def result(rows=ROWS):
    late = [i % 3 == 0 for i in range(rows)]
    return pa.table(
        {
            "id": list(range(rows)),
            "text": [NASTY[i % len(NASTY)] + f" {i}" if i % 2 else f"row {i}" for i in range(rows)],
            "late": late,
            "late_status": ["asked" if i % 4 == 0 else "proxied" for i in range(rows)],
        }
    )


def drawn(tmp_path, name="review.csv", count=100, table=None, asked=ASKED, **options):
    path = tmp_path / name
    review = drawn_for_review(table or result(), asked, path, tmp_path / "state", ReviewOptions(count, **options))
    return review, path


def lines_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def fill(path, answer_of):
    """Fill a sheet in, as people do: ``answer_of`` says what of a row's cells."""
    cells = read_sheet(path)
    rows = [{name: column[i] for name, column in cells.items()} for i in range(len(cells[YOURS]))]
    cells[YOURS] = [answer_of(row) for row in rows]
    write_sheet(path, {name: [c or "" for c in column] for name, column in cells.items()})


def truly(row):
    return "yes" if int(row["id"]) % 3 == 0 else "no"


@pytest.mark.parametrize("name", ["review.csv", "review.parquet", "review.xlsx"])
def test_a_filled_sheet_certifies_the_answers(tmp_path, name):
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    review, path = drawn(tmp_path, name)
    assert len(review.positions) == 100
    fill(path, lambda row: truly(row) if int(row["id"]) % 10 else {"yes": "no", "no": "yes"}[truly(row)])
    audit = audited(path, tmp_path / "state")
    wrong = sum(position % 10 == 0 for position in review.positions)
    assert (audit.answers.rows, audit.answers.reviewed, audit.answers.wrong) == (ROWS, 100, wrong)
    assert audit.answers.low <= 0.9 <= audit.answers.high
    assert audit.model.rows == ROWS // 4
    assert {name: part.rows for name, part in audit.parts.items()} == {
        "asked": 100,
        "proxied": 300,
        "yes": 134,
        "no": 266,
    }
    assert len(audit.differing) == wrong
    assert "final answers" in audit.statement


def test_reviews_that_are_not_filled_in_count_as_wrong(tmp_path):
    _, path = drawn(tmp_path)
    nothing = audited(path, tmp_path / "state").answers
    assert (nothing.low, nothing.high, nothing.value, nothing.unfilled) == (0.0, 1.0, 0.0, 100)
    fill(path, lambda row: truly(row) if int(row["id"]) % 2 else None)
    half = audited(path, tmp_path / "state").answers
    fill(path, truly)
    full = audited(path, tmp_path / "state").answers
    assert half.low < 0.6
    assert full.low > 0.93
    assert half.high == full.high == 1.0


def test_the_sheet_is_blind_unless_asked_and_cells_are_no_formulas(tmp_path):
    _, path = drawn(tmp_path, count=ROWS)
    rows = lines_of(path)
    assert "answer" not in rows[0]
    assert "late" not in rows[0]
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@", "\t"}]
    _, shown = drawn(tmp_path, "shown.csv", show_answers=True)
    assert "answer" in read_sheet(shown)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(), st.sampled_from(NASTY)), min_size=1, max_size=8))
def test_sheets_are_read_back_as_they_were_written(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("sheet")
    column = [cell_text(b + a) for a, b in texts]
    cells = {"rowsight_row": [str(i) for i in range(len(column))], "=text": column}
    for name in ("a.csv", "a.parquet"):
        write_sheet(folder / name, cells)
        back = read_sheet(folder / name)
        assert {n: [c or "" for c in v] for n, v in back.items()} == cells


def test_semicolons_of_a_spreadsheet_program_are_read(tmp_path):
    review, path = drawn(tmp_path, count=20)
    fill(path, truly)
    rows = lines_of(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    assert audited(path, tmp_path / "state").answers.reviewed == len(review.positions)


def rewritten(path, change):
    rows = lines_of(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(change(rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows, rows[3]], "row 3 stands there twice"),
        (
            lambda rows: [*rows[:2], ["2", rows[2][1], "99", *rows[2][3:]], *rows[3:]],
            "row 2 no longer shows what was drawn",
        ),
        (lambda rows: [*rows, ["101", *rows[1][1:]]], "no row '101'"),
        (lambda rows: [*rows, ["x", *rows[1][1:]]], "no row 'x'"),
        (lambda rows: [[*rows[0][:2], "ID", *rows[0][3:]], *rows[1:]], "lost its column 'id'"),
        (lambda rows: [*rows[:5], [rows[5][0], "f" * 16, *rows[5][2:]], *rows[6:]], "rows of 2 reviews"),
        (lambda rows: [r[:-1] for r in rows], "no column 'your_answer'"),
        (lambda rows: [*rows[:2], [*rows[2][:-1], "perhaps"], *rows[3:]], "row 2 says 'perhaps'"),
    ],
)
def test_changed_sheets_are_refused_with_the_row_named(tmp_path, change, message):
    _, path = drawn(tmp_path)
    fill(path, truly)
    rewritten(path, change)
    with pytest.raises((InputError, ColumnError), match=message):
        audited(path, tmp_path / "state")


def saved_by_a_program(path, *, delimiter=",", encoding="utf-8", first="", change=lambda _, cell: cell):
    """Save a filled sheet as spreadsheet programs do: every cell as they understand it."""
    header, *rows = lines_of(path)
    with path.open("w", encoding=encoding, newline="") as file:
        file.write(first)
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows([[change(*pair) for pair in zip(header, row, strict=True)] for row in rows])


def bought():
    columns = {
        "price": pa.array([i * 1.25 for i in range(ROWS)]),
        "day": pa.array([date(2024, 1, 1) + timedelta(days=i) for i in range(ROWS)]),
        "at": pa.array([datetime(2024, 1, 1, 12, 30, tzinfo=UTC) + timedelta(days=i) for i in range(ROWS)]),
        "paid": pa.array([i % 2 == 0 for i in range(ROWS)]),
        "code": pa.array([f"{i:06d}" for i in range(ROWS)]),
        "number": pa.array([10_234_560_000_000_161 + i for i in range(ROWS)]),
        "padded": pa.array([f"  a  {i} " for i in range(ROWS)]),
    }
    table = result()
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


REWRITTEN = {
    "price": lambda cell: cell.replace(".", ","),
    "day": lambda cell: ".".join(reversed(cell.split("-"))),
    "at": lambda cell: f"{int(cell[5:7])}/{int(cell[8:10])}/{cell[:4]} 12:30",
    "paid": lambda cell: {"true": "WAHR", "false": "FALSCH"}[cell],
    "code": lambda cell: str(int(cell)),
    "number": lambda cell: f"{float(cell):.5E}".replace(".", ","),
    "padded": lambda cell: " ".join(cell.split()),
    YOURS: lambda cell: {"yes": "VRAI", "no": "FAUX"}[cell],
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_cells_that_a_spreadsheet_program_writes_its_own_way_are_the_same_cells(tmp_path, name):
    _, path = drawn(tmp_path, table=bought())
    fill(path, truly)
    saved_by_a_program(path, delimiter=";", change=lambda n, cell: REWRITTEN[name](cell) if n == name else cell)
    audit = audited(path, tmp_path / "state").answers
    assert (audit.reviewed, audit.wrong) == (100, 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("price", lambda cell: f"{float(cell) + 0.01:.2f}"),
        ("day", lambda cell: (date.fromisoformat(cell) + timedelta(days=40)).isoformat()),
        ("paid", lambda cell: {"true": "false", "false": "true"}[cell]),
        ("number", lambda cell: str(int(cell) * 2)),
        ("text", lambda cell: cell + "!"),
    ],
)
def test_another_value_is_no_other_way_of_writing_it(tmp_path, name, change):
    _, path = drawn(tmp_path, table=bought())
    fill(path, truly)
    saved_by_a_program(path, change=lambda n, cell: change(cell) if n == name else cell)
    with pytest.raises(InputError, match=f"row 1 no longer shows what was drawn in its column '{name}'"):
        audited(path, tmp_path / "state")


def test_encodings_and_lines_that_programs_add_are_read(tmp_path):
    _, path = drawn(tmp_path)
    fill(path, truly)
    saved_by_a_program(path, delimiter=";", first="sep=;\r\n")
    assert audited(path, tmp_path / "state").answers.reviewed == 100
    fill(path, truly)
    saved_by_a_program(path, delimiter="\t", encoding="utf-16")
    assert audited(path, tmp_path / "state").answers.reviewed == 100
    path.write_bytes(path.read_bytes().decode("utf-16").replace("row", "r\xe9w").encode("cp1252", "replace"))
    with pytest.raises(SourceError, match="save the sheet as 'CSV UTF-8'"):
        audited(path, tmp_path / "state")


def test_two_columns_of_one_name_and_sheets_without_rows_are_refused(tmp_path):
    _, path = drawn(tmp_path)
    fill(path, truly)
    rewritten(path, lambda rows: [[*row, YOURS if row is rows[0] else ""] for row in rows])
    with pytest.raises(SourceError, match="two columns 'your_answer'"):
        audited(path, tmp_path / "state")
    rewritten(path, lambda rows: [list(rows[0][:-1])])
    with pytest.raises(InputError, match="no rows left"):
        audited(path, tmp_path / "state")


def test_an_excel_file_may_get_sheets_columns_and_formulas(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    _, path = drawn(tmp_path, "review.xlsx")
    fill(path, truly)
    book = openpyxl.load_workbook(path)
    assert book.active.column_dimensions["D"].width > 10
    book.create_sheet("notes", 0)["A1"] = "mine"
    book["review"].insert_cols(3)
    book["review"]["C5"] = "a note in a column without a name"
    book.save(path)
    audit = audited(path, tmp_path / "state").answers
    assert (audit.reviewed, audit.wrong) == (100, 0)
    last = book["review"].max_column
    book["review"].cell(3, last).value = '=IF(1=1,"yes","no")'  # never computed: nobody has said anything yet
    book.save(path)
    assert audited(path, tmp_path / "state").answers.unfilled == 1


def test_numbers_that_are_none_are_empty_cells(tmp_path):
    _, path = drawn(tmp_path, "review.parquet")
    cells = pq.read_table(path)
    ids = [int(i) for i in cells.column("id").to_pylist()]
    mine = pa.array([float(i % 3 == 0) if n < 60 else float("nan") for n, i in enumerate(ids)])
    pq.write_table(cells.set_column(cells.num_columns - 1, YOURS, mine), path)
    audit = audited(path, tmp_path / "state")
    assert (audit.answers.reviewed, audit.answers.unfilled, audit.answers.wrong) == (60, 40, 0)
    assert "of 100 drawn 60 agreed with, 40 not filled in" in audit.statement


def test_a_label_that_no_row_has_is_told(tmp_path):
    table = pa.table({"id": [1, 2, 3], "topic": ["parcel", "refund", "refund"]})
    _, path = drawn(tmp_path, "t.csv", 3, table, Asked("r", "What?", "classify", "topic"))
    fill(path, lambda row: "parsel" if row["id"] == "1" else "Refund")
    assert read_sheet(path)["question"][0] == "What? (one label: parcel, refund)"
    audit = audited(path, tmp_path / "state")
    assert audit.answers.wrong == 1
    assert "such as 'parsel'; did you mean 'parcel'?" in audit.notes[0]


def test_removed_rows_count_as_wrong_and_are_named_and_order_is_free(tmp_path):
    _, path = drawn(tmp_path)
    fill(path, truly)
    rewritten(path, lambda rows: [rows[0], *rows[:10:-1]])
    audit = audited(path, tmp_path / "state")
    assert audit.missing == tuple(range(1, 11))
    assert audit.answers.unfilled == 10
    assert "1, 2, 3, 4, 5 and 5 more" in audit.notes[0]


def test_what_was_frozen_cannot_be_changed_or_lost_silently(tmp_path):
    review, path = drawn(tmp_path)
    frozen = tmp_path / "state" / "reviews" / f"{review.id}.json"
    body = json.loads(frozen.read_text())
    body["answers"][0] = "no" if body["answers"][0] == "yes" else "yes"
    frozen.write_text(json.dumps(body))
    with pytest.raises(InputError, match="was changed after"):
        audited(path, tmp_path / "state")
    with pytest.raises(InputError, match="not known in"):
        audited(path, tmp_path / "elsewhere")


def test_the_same_sample_is_one_attempt_and_another_seed_the_next(tmp_path):
    first, _ = drawn(tmp_path)
    again, _ = drawn(tmp_path, "again.csv")
    other, _ = drawn(tmp_path, "other.csv", seed=1)
    assert (first.id, first.attempt) == (again.id, again.attempt)
    assert other.attempt == 2
    longer, _ = drawn(tmp_path, "longer.csv", count=150)
    assert longer.positions[:100] == first.positions


def test_labels_scores_and_other_answers(tmp_path):
    table = pa.table(
        {"id": [1, 2, 3], "topic": ["Parcel", "refund", None], "n": [1.0, 2.5, 3.0], "made": [["a"], ["b"], ["c"]]}
    )
    _, path = drawn(tmp_path, "t.csv", 10, table, Asked("r", "What?", "classify", "topic"))
    fill(path, lambda _: " parcel ")
    assert (audited(path, tmp_path / "state").answers.wrong, audited(path, tmp_path / "state").answers.rows) == (1, 2)
    _, path = drawn(tmp_path, "n.csv", 10, table, Asked("r", "How?", "score", "n"), within=0.5)
    fill(path, lambda _: "2")
    assert audited(path, tmp_path / "state").answers.wrong == 2
    fill(path, lambda _: "2,4")
    assert audited(path, tmp_path / "state").answers.wrong == 2
    for strange in ("seven", "nan", "1.234,5"):
        fill(path, lambda _, said=strange: said)
        with pytest.raises(InputError, match=f"says '{strange}' in your_answer, which is not a number; write one"):
            audited(path, tmp_path / "state")
    _, path = drawn(tmp_path, "m.csv", 10, table, Asked("r", "Read", "extract", "made"))
    assert read_sheet(path)["answer"]
    fill(path, lambda row: "no" if row["id"] == "1" else "yes")
    assert audited(path, tmp_path / "state").answers.wrong == 1


def test_bad_samples_are_refused_before_anything_is_written(tmp_path):
    for bad, error in (
        ({"count": 0}, InputError),
        ({"count": 1.5}, InputError),
        ({"count": "10"}, InputError),
        ({"confidence": 2}, InputError),
        ({"within": -1}, InputError),
    ):
        with pytest.raises(error):
            drawn(tmp_path, **bad)
    with pytest.raises(OutputError, match="no sheet"):
        drawn(tmp_path, "review.txt")
    with pytest.raises(SourceError):
        audited(Path(tmp_path / "none.csv"), tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_agreement_holds_at_every_moment_of_filling_in(share):
    runs, failures = 40, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        wrong = (rng.random(300) < share).astype(np.int64)
        real = 1 - wrong.mean()
        sample = rng.permutation(wrong)[:120]
        ever = False
        for filled in (10, 40, 120):
            seen = np.where(np.arange(120) < filled, sample, UNFILLED)
            found = agreement(seen, 300, 120, 0.1)
            ever |= not found.low - 1e-9 <= real <= found.high + 1e-9
        failures += ever
    assert failures <= binom.ppf(0.999, runs, 0.1)
