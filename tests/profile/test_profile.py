"""Profiles of tables: what SQL knows of the columns, what is read of the texts, bad input."""

import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rowsight
from rowsight.core.errors import InputError
from rowsight.execution.profile.texts import MOST_CHARACTERS
from rowsight.surfaces.cli import main
from rowsight.worlds import generate

SENTENCE = "The parcel number {} that I ordered three weeks ago has not arrived yet."


def table(**columns):
    return rowsight.read(pa.table(columns))


def test_numbers_times_labels_and_keys():
    rows = 1000
    profile = table(
        key=[f"k{i}" for i in range(rows)],
        number=pa.array([None if i % 10 == 0 else i for i in range(rows)], pa.int64()),
        share=[float("nan") if i == 5 else i / rows for i in range(rows)],
        label=["a" if i % 4 else "b" for i in range(rows)],
        day=[dt.date(2025, 1, 1) + dt.timedelta(days=i % 365) for i in range(rows)],
        when=[f"2025-01-01 00:{i % 60:02d}:00" for i in range(rows)],
        flag=[i % 2 == 0 for i in range(rows)],
    ).profile()
    kinds = {c.name: c.kind for c in profile.columns}
    assert list(kinds.values()) == ["key", "number", "number", "label", "time", "time", "boolean"]
    number = profile.column("number")
    assert (number.missing, number.distinct, number.repeated, number.low, number.high) == (100, 900, 0, 1, 999)
    assert number.quantiles[2] == pytest.approx(500, rel=0.05)
    assert sum(bar.count for bar in number.histogram) == 900
    assert profile.column("share").mean == pytest.approx(0.5, abs=0.01)
    assert profile.column("label").top == (("a", 750), ("b", 250))
    assert profile.column("day").high == dt.date(2025, 12, 31)
    assert profile.column("when").low == dt.datetime(2025, 1, 1)  # noqa: DTZ001 - the column has no zone
    assert (profile.rows, profile.repeated_rows) == (rows, 0)


def test_quantiles_and_counts_agree_with_the_rows():
    rows = generate("support", "en", rows=3000, seed=2)
    profile = rowsight.read(rows).profile()
    texts = [t for t in rows.column("text").to_pylist() if t is not None]
    column = profile.column("text")
    assert (column.kind, profile.text) == ("text", "text")
    assert (column.missing, column.empty) == (3000 - len(texts), texts.count(""))
    assert (column.distinct, column.repeated) == (len(set(texts)), len(texts) - len(set(texts)))
    assert (column.lengths.shortest, column.lengths.longest) == (0, max(map(len, texts)))
    assert column.languages[0][0] == "en"
    assert column.resembling.texts == len({t for t in texts if t})


def test_personal_data_is_told_by_kind_and_masked():
    texts = [SENTENCE.format(i) for i in range(200)]
    texts[7] = "Write to anna@example.com or bob@example.org, please, as soon as you can."
    texts[9] = "My IBAN is DE89 3704 0044 0532 0130 00, and the refund is still missing."
    profile = table(body=texts, phone=[13800000000 + i for i in range(200)]).profile()
    found = {p.kind: p for p in profile.column("body").personal}
    assert (found["email"].values, found["email"].rows) == (2, 1)
    assert found["email"].examples == ((7, "a•••@e•••.com"),)
    assert (found["iban"].rows, found["iban"].examples[0][0]) == (1, 9)
    assert [(p.kind, p.rows) for p in profile.column("phone").personal] == [("phone", 200)]
    everything = json.dumps(profile.as_dict(), ensure_ascii=False) + repr(profile)
    for secret in ("anna@example.com", "bob@", "3704 0044", "13800000000", "13800000199"):
        assert secret not in everything


def test_a_column_of_order_numbers_is_no_personal_data():
    numbers = [(i * 7919 + 1_000_000_007) % 9_000_000_000 + 1_000_000_000 for i in range(3000)]
    stamps = [1_700_000_000 + 61 * i for i in range(3000)]
    profile = table(order=numbers, at=stamps, text=[str(n) for n in numbers]).profile()
    assert [c.personal for c in profile.columns] == [(), (), ()]


def test_near_duplicates_are_counted_and_shown():
    texts = [t for t in generate("clinic", "en", rows=400, seed=4).column("text").to_pylist() if t]
    unlike = list(dict.fromkeys(texts))[:150]
    texts = [*unlike, *(t + "!" for t in unlike[:20]), *unlike[:5]]
    column = table(text=texts).profile().column("text")
    assert column.repeated == 5
    assert column.resembling.repeated >= 20
    assert all(a < b for a, b, _ in column.resembling.pairs)


def test_trouble_with_the_encoding_names_rows():
    texts = [SENTENCE.format(i) for i in range(150)]
    texts[50] = "Das war sehr schÃ¶n, vielen Dank fÃ¼r die Lieferung."
    (trouble,) = table(body=texts).profile().column("body").trouble
    assert (trouble.kind, trouble.rows, trouble.examples) == ("UTF-8 read as Latin-1", 1, (50,))


@pytest.mark.parametrize(
    "columns",
    [
        {"n": [1, 2, 3]},
        {"body": ["one row only, and that is all there is"]},
        {"body": ["the same text in every row"] * 50},
        {"body": pa.array([None, None], pa.string())},
        {"body": pa.array([], pa.string())},
        {"n": pa.array([], pa.int64())},
        {"body": ["", ""]},
        {"f": [float("inf"), float("nan"), -1.0]},
        {"s": [{"a": 1}, {"a": 2}], "l": [[1], None], "b": [b"\xff\x00", b"x"]},
        {'odd "name"; --': ["a text with some words in it"] * 3},
        {"d": pa.array([1, 2], pa.decimal128(9, 2)), "t": pa.array([1, 2], pa.time64("us"))},
        {"body": ["مرحبا، أين طردي الذي طلبته؟", "我的包裹在哪里？为什么还没到？", "Wo ist mein Paket? Danke!"]},
    ],
)
def test_odd_tables_have_a_profile(columns):
    profile = table(**columns).profile()
    assert [c.name for c in profile.columns] == list(columns)
    assert repr(profile)
    from rowsight.surfaces.cli.show import json_object

    json_object(profile.as_dict())


def test_a_huge_cell_is_cut_before_python_sees_it(tmp_path):
    import tracemalloc

    path = tmp_path / "huge.parquet"
    pq.write_table(pa.table({"body": ["short text about a parcel", "x" * 50_000_000, None]}), path)
    source = rowsight.read(path)
    table(body=["what loads on use, such as the languages, is no part of this"] * 3).profile()
    table(body=[SENTENCE.format(i) for i in range(9)]).profile()
    tracemalloc.start()
    profile = source.profile()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert profile.column("body").lengths.longest == 50_000_000
    assert any(f"{MOST_CHARACTERS:,}" in note for note in profile.notes)
    assert peak < 20_000_000


def test_a_cell_beyond_the_engines_memory_is_told_with_the_remedy(tmp_path):
    from rowsight.core.errors import SourceError
    from rowsight.engines.duckdb import DuckDBEngine

    path = tmp_path / "huge.parquet"
    pq.write_table(pa.table({"body": ["short", "x" * 50_000_000]}), path)
    small = rowsight.Session(engine=DuckDBEngine(memory_mb=30))
    with pytest.raises(SourceError, match="memory_mb"):
        rowsight.read(path, session=small).profile()


def test_a_table_with_questions_has_no_profile():
    asked = table(body=["a"]).filter("Is {body} late?")
    with pytest.raises(InputError, match="profile reads a table as it is"):
        asked.profile()


def test_the_rows_that_were_chosen_are_profiled():
    assert table(n=[1, 2, 3, 4]).where("n > 2").profile().rows == 2


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code or 0


def test_the_command_prints_and_writes(tmp_path, capsys):
    path = tmp_path / "t.parquet"
    pq.write_table(generate("retail", "zh", rows=300, seed=1), path)
    assert run("profile", str(path), "--json", "--out", str(tmp_path / "p.json")) == 0
    printed, written = json.loads(capsys.readouterr().out), json.loads((tmp_path / "p.json").read_text())
    assert printed == written
    assert printed["columns"][0]["name"] == "id"
    assert run("profile", str(path), "--where", "id <= 10") == 0
    assert "10 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.parquet"], "there is no file nowhere.parquet"),
        (["t.csv", "--out", "p.xlsx"], "the ending says no form of a report"),
        (["t.csv", "--out", "nowhere/p.json"], "doesn't exist"),
        (["t.csv", "--where", "colour = 1"], "colour"),
    ],
)
def test_bad_input_is_one_line_and_code_2(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("id,body\n1,hello\n")
    assert run("profile", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1
