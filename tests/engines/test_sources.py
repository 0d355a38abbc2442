"""What a table may be made of."""

import gzip

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rowsight.core.errors import InputError, SourceError
from rowsight.engines.duckdb import DuckDBEngine
from rowsight.engines.reading import WHOLLY_SAMPLED
from rowsight.engines.sources import source_of
from rowsight.plan.nodes import Scan, Where

ROWS = [{"a": 1, "t": "x"}, {"a": 2, "t": None}]
TABLE = pa.Table.from_pylist(ROWS)


def rows_of(value):
    engine = DuckDBEngine()
    source = source_of(value)
    names = tuple(engine.schema(source).names)
    relations = engine.open({"s": source})
    try:
        return [row for batch in relations.stream(Scan("s", names), (), 10) for row in batch.to_pylist()]
    finally:
        relations.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: TABLE,
        lambda: TABLE.to_batches()[0],
        TABLE.to_reader,
        TABLE.to_pandas,
        lambda: pl.from_arrow(TABLE),
        lambda: pl.from_arrow(TABLE).lazy(),
        lambda: duckdb.sql("SELECT * FROM (VALUES (1::BIGINT, 'x'), (2, NULL)) v(a, t)"),
    ],
)
def test_tables_in_memory(make):
    assert rows_of(make()) == ROWS


def test_files(tmp_path):
    pq.write_table(TABLE, tmp_path / "one.parquet")
    pq.write_table(TABLE, tmp_path / "two.parquet")
    TABLE.to_pandas().to_csv(tmp_path / "one.csv", index=False)
    (tmp_path / "one.jsonl").write_text('{"a": 1, "t": "x"}\n{"a": 2, "t": null}\n')
    assert rows_of(tmp_path / "one.parquet") == ROWS
    assert rows_of(str(tmp_path / "*.parquet")) == ROWS * 2
    assert rows_of([tmp_path / "two.parquet", tmp_path / "one.parquet"]) == ROWS * 2
    assert rows_of(tmp_path / "one.csv") == ROWS
    assert rows_of(tmp_path / "one.jsonl") == ROWS


RAGGED = {
    "a,b\n1,2\n3,4,5\n": "line 3 splits into 3, line 1 into 2",
    "a,b\n1,2\n3\n": "line 3 splits into 1, line 1 into 2",
    "id;text\n1;a\n2;b;c;d\n3\n4;e\n": "line 3 splits into 4, line 1 into 2",
    'id,text\n1,say "hi, there" now\n2,x\n': "line 2 splits into 3, line 1 into 2",
}


@pytest.mark.parametrize(("text", "said"), RAGGED.items())
def test_a_csv_of_unequal_lines_is_refused_with_the_line(tmp_path, text, said):
    (tmp_path / "odd.csv").write_text(text)
    with gzip.open(tmp_path / "odd.csv.gz", "wt") as packed:
        packed.write(text)
    for name in ("odd.csv", "odd.csv.gz"):
        with pytest.raises(SourceError, match=said):
            rows_of(tmp_path / name)


MANY_FILES = WHOLLY_SAMPLED + 6


@pytest.mark.parametrize(("text", "said"), RAGGED.items())
def test_a_csv_of_unequal_lines_is_refused_among_many(tmp_path, text, said):
    for number in range(MANY_FILES):
        (tmp_path / f"{number:03}.csv").write_text(text if number == MANY_FILES - 2 else "a,b\n1,2\n3,4\n")
    with pytest.raises(SourceError, match=f"{MANY_FILES - 2:03}.csv isn't a table: {said}"):
        rows_of(str(tmp_path / "*.csv"))


def test_many_files_of_several_forms_are_read_in_their_order(tmp_path):
    forms = (
        "a,t\n{0},x{0}\n",
        "t;a\nx{0};{0}\n",
        '# a title\na,t\n{0},"x{0}"\n',
        "a,t\n{0}.5,x{0}\n",
        "a,t,b\n{0},x{0},1\n",
    )
    for number in range(MANY_FILES):
        (tmp_path / f"{number:03}.csv").write_text(forms[number // 3 % len(forms)].format(number))
    rows = rows_of(str(tmp_path / "*.csv"))
    assert [row["t"] for row in rows] == [f"x{n}" for n in range(MANY_FILES)]
    assert [int(row["a"]) for row in rows] == list(range(MANY_FILES))
    assert {row["b"] for row in rows} == {1, None}


@pytest.mark.parametrize("files", [2, MANY_FILES])
def test_texts_of_json_are_as_they_are_written_however_many_files_there_are(tmp_path, files):
    for number in range(files):
        (tmp_path / f"{number}.jsonl").write_text('{"at": "2024-01-05T10:00:00Z"}\n')
    assert rows_of(str(tmp_path / "*.jsonl")) == [{"at": "2024-01-05T10:00:00Z"}] * files


@pytest.mark.parametrize(
    "text",
    ["Report 2024\n\na,t\n1,x\n2,\n", "\n\na,t\n1,x\n2,\n", "# a report\na,t\n1,x\n2,\n", "\ufeffa;t\r\n1;x\r\n2;\r\n"],
)
def test_what_stands_above_a_table_is_left_out(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, newline="")
    assert rows_of(tmp_path / "t.csv") == ROWS


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id,text\n1,hello\n#2,y\n3,z\n", [("1", "hello"), ("#2", "y"), ("3", "z")]),
        ("id,text\n# odd, and, more\n1,x\n# odd\n2,y\n", [(1, "x"), (2, "y")]),
        ("# made by x, on tuesday, late\nid,text\n1,x\n2,y\n", [(1, "x"), (2, "y")]),
    ],
)
def test_a_line_that_may_be_a_row_is_no_comment(tmp_path, text, rows):
    (tmp_path / "t.csv").write_text(text)
    assert [tuple(row.values()) for row in rows_of(tmp_path / "t.csv")] == rows


def test_a_first_line_that_fits_the_table_has_its_names(tmp_path):
    (tmp_path / "t.csv").write_text("# id, text\n1,x\n2,y\n")
    assert rows_of(tmp_path / "t.csv") == [{"# id": 1, "text": "x"}, {"# id": 2, "text": "y"}]


def test_a_csv_may_have_one_column(tmp_path):
    (tmp_path / "t.csv").write_text('text\nhello, you\n"a ""b"""\n')
    assert rows_of(tmp_path / "t.csv") == [{"text": "hello, you"}, {"text": 'a "b"'}]


def test_a_reader_can_be_run_twice():
    engine, source = DuckDBEngine(), source_of(TABLE.to_reader())
    for _ in range(2):
        relations = engine.open({"s": source})
        assert relations.count(Scan("s", ("a", "t"))) == 2
        relations.close()


def test_a_pandas_index_is_no_column():
    assert rows_of(pd.DataFrame(ROWS, index=[5, 6])) == ROWS


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nothing.csv", "there is no file nothing.csv"),
        ("nothing-*.csv", "no file matches"),
        ("", "the table's path is empty"),
        (3, "can't read a table from int"),
        (pd.DataFrame({"a": [1, "x"]}), "column a with type object; give each column one type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        (pl.DataFrame({"t": ["x"], "o": [{1, 2}]}), "column o of the polars DataFrame holds Python objects"),
        (pl.DataFrame({"o": [{1, 2}]}).lazy(), r"pl\.col\('o'\)\.map_elements\(str, return_dtype=pl\.String\)"),
        (pd.Series(["x"], name="a"), r"to_frame\(\)"),
        (pl.Series("a", ["x"]), r"to_frame\(\)"),
    ],
)
def test_what_is_not_there_is_said(value, said):
    with pytest.raises(SourceError, match=said):
        source_of(value)


def test_a_predicate_may_end_in_a_comment():
    relations = DuckDBEngine().open({"s": source_of(TABLE)})
    assert relations.count(Where(Scan("s", ("a", "t")), "a > 1 -- the second", ("a",))) == 1
    relations.close()


def test_a_misspelt_file_names_the_nearest(tmp_path):
    (tmp_path / "tickets.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"did you mean 'tickets\.csv'"):
        source_of(tmp_path / "ticket.csv")
    with pytest.raises(SourceError, match="says no format"):
        source_of(write(tmp_path / "tickets.xyz"))
    with pytest.raises(SourceError, match="is a directory"):
        source_of(tmp_path)
    with pytest.raises(SourceError, match="several formats"):
        source_of([tmp_path / "tickets.csv", write(tmp_path / "x.jsonl")])


def test_a_damaged_file_is_said(tmp_path):
    with pytest.raises(SourceError, match=r"bad\.parquet can't be read as parquet"):
        DuckDBEngine().schema(source_of(write(tmp_path / "bad.parquet")))


def write(path):
    path.write_text("no table")
    return path


@pytest.mark.parametrize(
    "predicate",
    ["(SELECT count(*) FROM read_text('/etc/passwd')) > 0", "(SELECT count(*) FROM glob('/etc/*')) > 0"],
)
def test_sql_reads_nothing_but_the_sources(tmp_path, predicate):
    """A predicate is checked when it is written; the connection refuses what would slip through."""
    (tmp_path / "t.csv").write_text("a\n1\n")
    relations = DuckDBEngine().open({"s": source_of(tmp_path / "t.csv")})
    with pytest.raises(InputError, match="Permission Error"):
        relations.schema(Where(Scan("s", ("a",)), predicate, ("a",)))
    relations.close()


def test_text_and_profile(tmp_path):
    (tmp_path / "t.csv").write_text("n,t\n1,a\n1,a\n2,\n,b\n")
    relations = DuckDBEngine().open({"s": source_of(tmp_path / "t.csv")})
    scan = Scan("s", ("n", "t"))
    assert [b.column("__text_n").to_pylist() for b in relations.stream(scan, ("n", "t"), 10)] == [["1", "1", "2", None]]
    assert relations.profile(scan, ("n", "t")) == (2, 1, 2)
    relations.close()


MANY = 25_000
"""More rows than DuckDB looks at on its own to find a file's form."""


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ('{i},"quoted, with\nlines"', "quoted, with\nlines"),
        ("abc,plain", "plain"),
    ],
)
def test_the_first_odd_row_of_a_csv_may_come_late(tmp_path, odd, expected):
    lines = [f"{i},row {i}" for i in range(MANY)]
    lines[-2] = odd.format(i=MANY)
    (tmp_path / "late.csv").write_text("id,text\n" + "\n".join(lines) + "\n")
    rows = rows_of(tmp_path / "late.csv")
    assert (len(rows), rows[-2]["text"], rows[-1]["text"]) == (MANY, expected, f"row {MANY - 1}")


def test_texts_of_json_lines_stay_as_written(tmp_path):
    written = ["2024-01-02T03:04:05Z", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "12:00"]
    for text in written:
        (tmp_path / "one.jsonl").write_text(f'{{"text": "{text}"}}\n')
        assert rows_of(tmp_path / "one.jsonl") == [{"text": text}]
    (tmp_path / "mixed.jsonl").write_text('{"text": "x"}\n{"text": 5}\n{"text": {"a": 1}}\n{"text": null}\n')
    assert [r["text"] for r in rows_of(tmp_path / "mixed.jsonl")] == ["x", "5", '{"a":1}', None]


def test_csv_files_of_other_columns_and_separators_are_one_table(tmp_path):
    (tmp_path / "1.csv").write_text("a,t\n1,x\n")
    (tmp_path / "2's.csv").write_text('t;b\n"y; z";2\n')
    assert rows_of(str(tmp_path / "*.csv")) == [{"a": 1, "t": "x", "b": None}, {"a": None, "t": "y; z", "b": 2}]


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(SourceError, match=f"{name} is empty"):
        source_of(tmp_path / name)
    (tmp_path / f"full{name}").write_text('{"a": 1}\n' if name.endswith("jsonl") else "a\n1\n")
    assert rows_of(str(tmp_path / f"*{name}")) == [{"a": 1}]


def test_a_csv_that_is_no_utf8_is_said(tmp_path):
    (tmp_path / "latin.csv").write_bytes("id,text\n1,café\n".encode("latin-1"))
    with pytest.raises(SourceError, match="not utf-8 encoded"):
        rows_of(tmp_path / "latin.csv")
