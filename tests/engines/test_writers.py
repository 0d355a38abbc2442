"""Output files: formats by ending, whole or not at all."""

import datetime as dt
import gc
import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from rowsight.core.errors import OutputError
from rowsight.engines.arrow import python_values
from rowsight.engines.spool import IpcSpool
from rowsight.engines.writers import OutputFile, writer_for

TABLE = pa.table(
    {"id": [1, 2, 3], "text": ["a", 'b "q", c', None], "tags": [["x"], [], None], "s": [{"n": 1}, None, {"n": 2}]}
)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "parquet", "arrow", "feather"])
def test_every_format_holds_the_rows(tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    with OutputFile(path, TABLE.schema) as output:
        for batch in TABLE.to_batches(max_chunksize=2):
            output.write(batch)
    read = {
        "csv": lambda: pa_csv.read_csv(path).to_pylist()[1]["text"],
        "tsv": lambda: pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(delimiter="\t")).to_pylist()[1]["text"],
        "parquet": lambda: pq.read_table(path).to_pylist()[1]["text"],
    }
    as_lines = lambda: json.loads(path.read_text().splitlines()[1])["text"]  # noqa: E731
    as_ipc = lambda: pa.ipc.open_file(path).read_all().to_pylist()[1]["text"]  # noqa: E731
    assert read.get(ending, as_lines if ending.endswith(("jsonl", "ndjson")) else as_ipc)() == 'b "q", c'


def test_nested_values_are_json_in_csv(tmp_path):
    with OutputFile(tmp_path / "out.csv", TABLE.schema) as output:
        output.write(TABLE.to_batches()[0])
    assert pa_csv.read_csv(tmp_path / "out.csv").to_pylist()[0]["s"] == '{"n":1}'


def test_a_failed_run_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def fail():
        with OutputFile(path, TABLE.schema) as output:
            output.write(TABLE.to_batches()[0])
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("name", "said"), [("out.xyz", "says no format"), ("missing/out.csv", "doesn't exist"), ("", "says no format")]
)
def test_an_output_that_cannot_be_written_is_said_before(tmp_path, name, said):
    with pytest.raises(OutputError, match=said):
        writer_for(tmp_path / name)


def test_a_spool_gives_rows_by_position(tmp_path):
    import numpy as np

    spool = IpcSpool.write(tmp_path / "s.arrow", TABLE.to_batches(max_chunksize=1), TABLE.schema)
    assert spool.take(np.array([2, 0, 2]), ("id",)).column("id").to_pylist() == [3, 1, 3]
    assert spool.take(np.array([], dtype=np.int64), ("id",)).num_rows == 0
    assert spool.count == 3


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.arrow"])
def test_a_file_that_is_given_up_leaves_nothing_and_says_nothing(tmp_path, name):
    output = OutputFile(tmp_path / name, pa.schema({"a": pa.int64()}))
    output.write(pa.record_batch({"a": [1, 2]}))
    output.discard()
    del output
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "arrow"])
def test_spans_of_time_and_bytes_are_written_to_every_format(tmp_path, ending):
    spans = pa.array([(1, 2, 3_500_000_000), (0, 0, 0), None], pa.month_day_nano_interval())
    table = pa.table({"span": spans, "raw": pa.array([b"text", b"\x00\xff", None])})
    path = tmp_path / f"out.{ending}"
    with OutputFile(path, table.schema) as output:
        output.write(table.to_batches()[0])
    readers = {
        "jsonl": lambda: [json.loads(line)["span"] for line in path.read_text().splitlines()],
        "parquet": lambda: pq.read_table(path).column("span").to_pylist(),
        "arrow": lambda: pa.ipc.open_file(path).read_all().column("span").to_pylist(),
    }
    if ending in readers:
        assert readers[ending]() == ["P1M2DT3.5S", "PT0S", None]
    else:
        assert '"P1M2DT3.5S"' in path.read_text()
        assert "\\xff" in path.read_text()


def test_columns_that_a_format_has_no_type_for_are_said_before(tmp_path):
    schema = pa.schema([("n", pa.struct([]))])
    with pytest.raises(OutputError, match="can't hold these columns"):
        OutputFile(tmp_path / "out.parquet", schema)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_times_of_nanoseconds_are_the_same_values_in_every_batch(zone):
    column = pa.array([1_000, 1_001, None], pa.timestamp("ns", zone))
    whole, odd, none = python_values(column)
    assert (whole.microsecond, whole.year, none) == (1, 1970, None)
    assert odd.rstrip("Z") == "1970-01-01T00:00:00.000001001"
    assert python_values(column.slice(0, 1)) == [whole]
    assert python_values(pa.array([1_000, 1], pa.time64("ns"))) == [dt.time(0, 0, 0, 1), "00:00:00.000000001"]
    assert python_values(pa.chunked_array([[1, 2], [3]])) == [1, 2, 3]


def test_what_text_formats_cannot_hold_is_written_as_documented(tmp_path):
    table = pa.table({"x": [1.5, float("nan"), -float("inf")], "t": ["", None, "a"], "b": [b"a", b"\xff", None]})
    for ending in ("csv", "jsonl"):
        with OutputFile(tmp_path / f"out.{ending}", table.schema) as output:
            output.write(table.to_batches()[0])
    assert (tmp_path / "out.csv").read_text() == '"x","t","b"\n1.5,"","""a"""\nnan,,"""\\\\xff"""\n-inf,"a",\n'
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        {"x": 1.5, "t": "", "b": "a"},
        {"x": None, "t": None, "b": "\\xff"},
        {"x": None, "t": "a", "b": None},
    ]
