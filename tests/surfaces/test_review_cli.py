"""``rowsight review`` and ``rowsight audit`` as users meet them."""

import csv

import pytest


def fill(path, word):
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *([*row[:-1], word(dict(zip(header, row, strict=True)))] for row in rows)])


@pytest.mark.parametrize("given", ["run", "file"])
def test_answers_are_reviewed_and_audited_later(cli, given):
    words = ("filter", "tickets.parquet", "Is {text} late?", "--keep-all", "--into", "late_answer")
    done = cli(*words, "--out", "answers.parquet", "--json")
    named = (done.json["run"],) if given == "run" else ("answers.parquet", "--answer", "late_answer")
    drawn = cli("review", *named, "-n", "30", "--out", "review.csv", "--json", server=None)
    assert drawn.code == 0, drawn.err
    assert drawn.json["drawn"] == 30
    fill(cli.folder / "review.csv", lambda row: "yes" if row["late"] == "true" else "no")
    audit = cli("audit", "review.csv", "--json", server=None)
    assert audit.code == 0, audit.err
    assert audit.json["answers"]["wrong"] == 0
    assert audit.json["parts"]["asked"]["rows"] == audit.json["answers"]["rows"]
    assert "the model's own answers" in cli("audit", "review.csv", server=None).out


def test_rows_kept_by_a_filter_are_all_reviewed_as_yes(cli):
    done = cli("filter", "tickets.parquet", "Is {text} late?", "--out", "late.csv", "--json").json
    drawn = cli("review", done["run"], "--out", "review.csv", "--json", server=None).json
    assert drawn["rows"] == done["kept"]
    fill(cli.folder / "review.csv", lambda row: "no" if row["rowsight_row"] == "1" else "yes")
    assert cli("audit", "review.csv", "--json", server=None).json["answers"]["wrong"] == 1


def test_bad_reviews_end_with_two(cli):
    cli("filter", "tickets.parquet", "Is {text} late?", "--out", "late.csv", "--json")
    for words in (
        ("review", "late.csv", "--out", "r.csv"),
        ("review", "late.csv", "--answer", "nothing", "--out", "r.csv"),
        ("review", "no-such-run", "--out", "r.csv"),
        ("audit", "late.csv"),
        ("audit", "nothing.csv"),
    ):
        ended = cli(*words, server=None)
        assert (ended.code, ended.out) == (2, ""), words
        assert len(ended.err.splitlines()) == 1
