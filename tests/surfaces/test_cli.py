"""The command line as users meet it: the main job, bad input, exit codes."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from tickets_table import tickets

from rowsight.surfaces.cli import _with_remedy

COUNTS = ("asked", "proxied", "null", "failed", "skipped")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_filter_keeps_the_rows_answered_yes(cli):
    done = cli("filter", "tickets.parquet", "Is {text} late?", "--out", "late.csv", "--json")
    assert done.code == 0, done.err
    report = done.json
    assert sum(report[c] for c in COUNTS) == report["rows"] == 60
    assert (report["null"], report["calls"], report["from_ledger"]) == (2, 53, 0)
    expected = [r["id"] for r in tickets().to_pylist() if r["text"] and r["late"]]
    assert report["kept"] == len(expected)
    assert pa_csv.read_csv(cli.folder / "late.csv").column("id").to_pylist() == expected
    again = cli("filter", "tickets.parquet", "Is {text} late?", "--out", "late.csv", "--json").json
    assert (again["calls"], again["from_ledger"], again["kept"]) == (0, 58, len(expected))


def test_filter_can_keep_all_rows_with_the_answer(cli):
    cli(
        "filter",
        "tickets.parquet",
        "Is {text} late?",
        "--out",
        "all.parquet",
        "--into",
        "late_answer",
        "--keep-all",
        "--json",
    )
    rows = pq.read_table(cli.folder / "all.parquet").to_pylist()
    assert [r["id"] for r in rows] == list(range(60))
    for row in rows:
        expected = (row["late"], "asked") if row["text"] else (None, "null")
        assert (row["late_answer"], row["late_answer_status"]) == expected


@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        (
            [
                "classify",
                "tickets.parquet",
                "Which topic has {text}?",
                "--labels",
                "parcel,refund,broken,thanks,invoice",
            ],
            "topic",
        ),
        (["score", "tickets.parquet", "How angry is {text}?", "--range", "0..10"], "anger"),
        (["complete", "tickets.parquet", "Write a reply to {text}"], "reply"),
    ],
)
def test_every_row_is_in_the_output_in_order(cli, arguments, column):
    done = cli(*arguments, "--into", "got", "--out", "out.parquet", "--json")
    assert done.code == 0, done.err
    rows = pq.read_table(cli.folder / "out.parquet").to_pylist()
    assert [r["id"] for r in rows] == list(range(60))
    assert [r["got"] for r in rows] == [r[column] if r["text"] else None for r in rows]
    assert {r["got_status"] for r in rows} == {"asked", "null"}


def test_extract_reads_typed_fields(cli):
    done = cli(
        *(
            "extract",
            "tickets.parquet",
            "Which order has {text}?",
            "--field",
            "number:integer",
            "--field",
            "word:string",
        ),
        *("--into", "got", "--out", "out.jsonl", "--json"),
    )
    assert done.code == 0, done.err
    rows = lines(cli.folder / "out.jsonl")
    assert [r["got"] for r in rows] == [json.loads(r["order"]) if r["text"] else None for r in rows]


def test_extract_takes_a_schema_file(cli):
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    (cli.folder / "schema.json").write_text(json.dumps(schema))
    done = cli(
        "extract", "tickets.parquet", "Which order has {text}?", "--schema", "schema.json", "--into", "got", "--json"
    )
    assert done.json["failed"] == 0


def test_limit_and_where(cli):
    done = cli("filter", "tickets.parquet", "Is {text} late?", "--where", "region = 'north'", "--limit", "10", "--json")
    assert done.json["rows"] == 10


def test_a_dry_run_asks_nothing(cli, model):
    before = model.stats()["requests"]
    done = cli(
        "filter", "tickets.parquet", "Is {text} late?", "--dry-run", "--json", "--price-in", "1", "--price-out", "2"
    )
    estimate = done.json["estimate"]
    assert (estimate["rows"], estimate["calls"]) == (60, 53)
    assert estimate["cost"] > 0
    assert model.stats()["requests"] == before


def test_preview_and_two_wordings(cli):
    one = cli("preview", "tickets.parquet", "Is {text} late?", "-n", "20", "--json").json
    assert one["rows"] == len(one["sample"]) == 20
    two = cli("preview", "tickets.parquet", "Is {text} late?", "Is the message {text} late?", "-n", "20", "--json").json
    assert two == {"rows": 20, "judged": 19, "differing": 0, "sample": []}


def test_a_preview_without_budget_says_what_it_could_not_judge(cli):
    one = cli("preview", "tickets.parquet", "Is {text} late?", "-n", "20", "--budget", "3calls", "--json")
    assert (one.code, one.json["calls"], one.json["skipped"] > 0) == (3, 3, True)
    wordings = ("Is {text} very late?", "Is the message {text} late?")
    two = cli("preview", "tickets.parquet", *wordings, "-n", "20", "--budget", "5calls", "--json")
    assert (two.code, two.json["rows"]) == (3, 20)
    assert 0 < two.json["judged"] < 20
    assert (
        "can't be gone on with by its name; give its command, rowsight preview"
        in cli("resume", one.json["run"], server=None).err
    )


def test_a_preview_of_a_table_with_an_answer_takes_another_name(cli):
    table = pq.read_table("tickets.parquet").rename_columns({"region": "answer"})
    pq.write_table(table, "answered.parquet")
    one = cli("preview", "answered.parquet", "Is {text} late?", "-n", "5", "--json")
    assert {"answer", "answer_2", "answer_2_status"} <= set(one.json["sample"][0])
    both = ("Is {text} late?", "Is the message {text} late?")
    assert "rows with both answers" in cli("preview", "answered.parquet", *both, "-n", "5").out


def test_people_get_a_table_and_a_report(cli):
    done = cli(
        "classify", "tickets.parquet", "Which topic has {text}?", "--labels", "parcel,refund,broken,thanks,invoice"
    )
    assert "60 rows: 58 asked, 2 null" in done.out
    assert "10 of 60 rows" in done.out
    assert done.err == ""


FILTER = ("filter", "tickets.parquet", "Is {text} late?")


def test_a_run_that_is_gone_on_with_keeps_what_its_budget_was_taken_for(cli):
    def gone(*arguments, **given):
        done = cli(*arguments, "--json", **given)
        assert done.code in (0, 3), done
        return json.loads(done.out)

    money = ("--price-in", "1", "--price-out", "5", "--max-tokens", "64", "--budget")
    whole = gone(*FILTER, "--dry-run", *money[:-1])["estimate"]["cost"]
    capped = gone(*FILTER, *money, "6calls")
    for words in (("--budget", f"{whole / 2}usd"), ()):
        capped = gone("resume", capped["run"], *words, server=None)
        assert capped["skipped"] > 0 == capped["proxied"], capped
        assert not capped["certificates"]
    bought = gone(*FILTER, "--state", "other", *money, f"{whole / 2}usd")
    for words in (("--budget", f"{whole * 0.6}usd"), (), ("--budget", "30calls")):
        assert (bought["skipped"], len(bought["certificates"])) == (0, 1), bought
        bought = gone("resume", bought["run"], "--state", "other", *words, server=None)
    assert (bought["skipped"], len(bought["certificates"])) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("filter", "nothing.csv", "Is {text} late?"), "there is no file nothing.csv"),
        (("filter", "ticket.parquet", "Is {text} late?"), "did you mean 'tickets.parquet'"),
        (("filter", "tickets.parquet", "Is {txt} late?"), "did you mean 'text'"),
        (("filter", "tickets.parquet", "Is {text late?"), "unclosed '{'"),
        (("classify", "tickets.parquet", "{text}?", "--labels", "a,b,a"), "'a' stands twice"),
        (("classify", "tickets.parquet", "{text}?"), "classify needs labels"),
        (("extract", "tickets.parquet", "{text}?"), "--field name:type"),
        (("extract", "tickets.parquet", "{text}?", "--field", "a:strng"), "did you mean 'string'"),
        (("extract", "tickets.parquet", "{text}?", "--schema", "tickets.parquet"), "is not JSON"),
        (("score", "tickets.parquet", "{text}?", "--range", "9..1"), "is empty"),
        ((*FILTER, "--out", "missing/x.csv"), "the folder missing doesn't exist"),
        ((*FILTER, "--out", "x.xyz"), "says no format"),
        ((*FILTER, "--into", "topic"), "has a column 'topic' already"),
        ((*FILTER, "--where", "regio = 1"), "did you mean 'region'"),
        ((*FILTER, "--recall", "1.2"), "not between 0 and 1"),
        ((*FILTER, "--recall", "0.9", "--accuracy", "0.9"), "different demands"),
        (("complete", "tickets.parquet", "{text}", "--recall", "0.9"), "complete has no recall guarantee"),
        ((*FILTER, "--budget", "5apples"), "names no unit"),
        ((*FILTER, "--budget", "5usd"), "the price of 'sim' is unknown"),
        ((*FILTER, "--concurrency", "0"), "concurrency=0 is not positive"),
        ((*FILTER, "--out", "tickets.parquet"), "TABLE and --out are the same file tickets.parquet"),
        ((*FILTER, "--out", "x.csv", "--unjudged", "./x.csv"), "--out and --unjudged are the same file"),
        (("rank", "tickets.parquet", "late? {text}", "--out", "tickets.parquet"), "is the table that is read"),
        ((*FILTER, "--into", ""), "into is empty"),
        ((*FILTER, "--missed", "0"), "such as missed=0.001"),
        ((*FILTER, "--seed", "-1", "--recall", "0.9"), "seed=-1 is out of range"),
        ((*FILTER, "--self-agreement", "-1", "--recall", "0.9"), "self_agreement=-1 is negative"),
        ((*FILTER, "--timeout", "nan"), "timeout=nan is not positive"),
        ((*FILTER, "--base-url", "https://[::1/v1"), "isn't one"),
        (("classify", "tickets.parquet", "{text}?", "--labels", "a\nb,c"), "several lines"),
        (("classify", "tickets.parquet", "{text}?", "--labels", '"a,b'), "is not a CSV record"),
        (("score", "tickets.parquet", "{text}?", "--accuracy", "0.9", "--within", "nan"), "within=nan is no distance"),
        (("extract", "tickets.parquet", "{text}?", "--schema", "deep.json"), "is not JSON"),
        ((*FILTER, "--nonsense"), "No such option"),
        (("filtre", "tickets.parquet"), "did you mean 'filter'"),
    ],
)
def test_bad_input_is_one_clear_line_before_any_call(cli, model, arguments, said):
    (cli.folder / "deep.json").write_text('{"a":' * 5000)
    before = model.stats()["requests"]
    done = cli(*arguments)
    assert (done.code, done.out) == (2, ""), done
    assert said in done.err
    assert done.err.count("\n") == 1
    assert model.stats()["requests"] == before


def test_a_server_that_is_not_there_is_said(cli):
    done = cli(*FILTER, "--model", "sim", "--base-url", "http://127.0.0.1:9/v1", server=None)
    assert (done.code, done.out) == (2, "")
    assert "unreachable" in done.err
    assert "127.0.0.1:9" in done.err


def test_labels_may_hold_commas_and_repeat(cli):
    done = cli(
        *("classify", "tickets.parquet", "Which topic has {text}?", "--labels", 'parcel,"refund","broken"'),
        *("--label", "thanks", "--label", "invoice", "--json"),
    )
    assert done.json["failed"] == 0


def test_a_budget_leaves_the_rest_skipped(cli):
    done = cli(*FILTER, "--budget", "20calls", "--json", "--keep-all", "--out", "x.jsonl")
    report = done.json
    assert done.code == 3
    assert report["calls"] == 20
    assert report["skipped"] == 60 - report["asked"] - report["null"]
    assert report["to_finish"]["calls"] > 0
    statuses = [r["answer_status"] for r in lines(cli.folder / "x.jsonl")]
    assert statuses.count("skipped") == report["skipped"]
    run = report["run"]
    more = cli("resume", run, "--budget", "100calls", "--json", server=None)
    assert (more.code, more.json["skipped"], more.json["calls"]) == (0, 0, 33)


def test_runs_are_listed_and_shown(cli):
    run = cli(*FILTER, "--json").json["run"]
    assert run in cli("runs", server=None).out
    shown = cli("show", run, "--json", server=None).json
    assert shown["status"] == "done"
    assert shown["spent"]["calls"] == 53
    assert "did you mean" in cli("show", run[:-1] + "z", server=None).err


def test_the_ledger_can_be_looked_after(cli):
    cli(*FILTER, "--json")
    assert cli("ledger", "stats", "--json", server=None).json["answers"] == 53
    assert cli("ledger", "verify", "--json", server=None).json["ok"] is True
    assert cli("ledger", "export", "all.jsonl", server=None).code == 0
    assert len(lines(cli.folder / "all.jsonl")) == 53
    assert cli("ledger", "forget", "--model", "sim", server=None).code == 0
    assert cli("ledger", "stats", "--json", server=None).json["answers"] == 0


def test_a_certificate_is_saved_and_verified(cli):
    done = cli(*FILTER, "--recall", "0.8", "--precision", "0.8", "--certificate", "c.json", "--json")
    assert done.code == 0, done.err
    assert done.json["certificates"][0]["certified"] is True
    checked = cli("verify", "c.json", "tickets.parquet", server=None)
    assert (checked.code, "It speaks of tickets.parquet" in checked.out) == (0, True)
    pq.write_table(pq.read_table("tickets.parquet").slice(1), "other.parquet")
    assert cli("verify", "c.json", "other.parquet", server=None).code == 1
    assert "nothing to save" in cli(*FILTER, "--certificate", "c.json").err
    Path("none.json").write_text("{}", encoding="utf-8")
    refused = cli("verify", "none.json", server=None)
    assert (refused.code, refused.out) == (2, "")
    assert "rowsight: none.json can't be read as a certificate" in refused.err


def test_the_bare_command_shows_its_help(cli):
    done = cli(server=None)
    assert (done.code, done.err) == (0, "")
    assert "Commands:\n  filter" in done.out


def test_a_filter_of_no_rows_has_kept_none_of_them(cli):
    report = cli(*FILTER, "--limit", "0", "--json").json
    assert (report["rows"], report["kept"], report["calls"]) == (0, 0, 0)


def test_failures_are_told_with_what_was_said_of_a_row(cli):
    done = cli("classify", "tickets.parquet", "Which topic has {text}?", "--labels", "parcel,refund")
    assert done.code == 0
    assert "have no answer: refused" in done.out
    assert "refused, such as row 2: " in done.out


def test_a_port_that_is_none_is_refused(cli):
    done = cli(*("simulate", "tickets.parquet", "--truth", "late", "--text", "text", "--port", "99999"), server=None)
    assert (done.code, done.out) == (2, "")
    assert "99999" in done.err


def test_a_full_disk_is_one_line_with_a_remedy(cli):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    (cli.folder / "curve.svg").symlink_to(full)
    done = cli(*FILTER, "--recall", "0.5", "--curve", "curve.svg")
    assert (done.code, done.out) == (2, "")
    assert "curve.svg can't be written: the disk is full" in done.err
    assert cli(*FILTER, "--json").json["calls"] == 0
    assert "let TMPDIR name another place" in _with_remedy(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize("name", ["c.json", "curve.svg", "curve.json"])
def test_a_side_file_is_replaced_whole(cli, name):
    earlier = cli.folder / name
    earlier.write_text("earlier", encoding="utf-8")
    with earlier.open(encoding="utf-8") as reading:
        assert cli(*FILTER, "--recall", "0.5", "--curve" if "curve" in name else "--certificate", name).code == 0
        assert reading.read() == "earlier"  # whoever reads the old file goes on reading it
    assert earlier.read_text(encoding="utf-8")[0] in "{[<"
    assert not list(cli.folder.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_nobodys(cli, model, closed):
    script = f'"$0" -m rowsight "$@" --model sim --base-url {model.base_url} --out late.csv {closed}'
    done = subprocess.run(["sh", "-c", script, sys.executable, *FILTER], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert pa_csv.read_csv(cli.folder / "late.csv").num_rows > 0


def test_a_cell_does_not_steer_the_terminal(cli):
    odd = {"text": ["\x1b]0;owned\x07 is it late?", "a\x9b31mb", "👩\u200d👩\u200d👧 שלום"], "\x1b[31mname": [1, 2, 3]}
    pq.write_table(pa.table(odd), "odd.parquet")
    for command in (
        ("filter", "odd.parquet", "Is {text} late?", "--keep-all"),
        ("preview", "odd.parquet", "Is {text} late?"),
    ):
        done = cli(*command)
        assert not set("\x1b\x07\x9b") & set(done.out + done.err)
        assert "👩\u200d👩\u200d👧" in done.out
    assert "\x1b" not in cli("profile", "odd.parquet", server=None).out
    assert "\x1b" not in cli("filter", "odd.parquet", "Is {nme} late?").err


def test_a_narrow_table_keeps_its_count_on_one_line(cli):
    pq.write_table(pa.table({"n": list(range(12))}), "narrow.parquet")
    assert "\n10 of 12 rows\n" in cli("sql", "SELECT n FROM 'narrow.parquet'", server=None).out


def test_one_version_of_one_row_is_no_plural(cli):
    cli(*FILTER, "--recall", "0.9", "--limit", "1", "--follow", "late")
    assert "; 1 version, 1 row; " in cli("follows", server=None).out
