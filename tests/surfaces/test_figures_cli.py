"""``rowsight count|share|mean`` as users meet them."""

import pyarrow.parquet as pq
from tickets_table import tickets


def test_a_count_as_json_with_a_file_and_a_certificate(cli):
    done = cli(
        *("count", "tickets.parquet", "Is {text} late?", "--within", "2", "--json"),
        *("--out", "count.parquet", "--certificate", "count.json"),
    )
    assert done.code == 0, done.err
    figure = done.json["figures"][0]
    truth = sum(bool(r["late"]) for r in tickets().to_pylist() if r["text"])
    assert figure["low"] <= truth <= figure["high"] <= figure["low"] + 4
    row = pq.read_table(cli.folder / "count.parquet").to_pylist()[0]
    assert row["low"] == figure["low"]
    assert (cli.folder / "count.json").exists()


def test_a_share_for_people(cli):
    done = cli("share", "tickets.parquet", "Is {text} late?", "--calls", "20")
    assert done.code == 0, done.err
    assert "the model would answer yes on" in done.out


def test_a_mean_in_groups_and_its_dry_run(cli):
    words = ("mean", "tickets.parquet", "How angry is {text}?", "--range", "0..10", "--within", "1", "--by", "topic")
    dry = cli(*words, "--dry-run", "--json")
    assert dry.json["estimate"]["calls_high"] <= 60
    done = cli(*words, "--json")
    assert done.code == 0, done.err
    assert len(done.json["figures"]) > 2


def test_bad_demands_end_with_two(cli):
    for words in (("share",), ("share", "--within", "2"), ("count", "--calls", "0")):
        done = cli(words[0], "tickets.parquet", "Is {text} late?", *words[1:])
        assert (done.code, done.out) == (2, "")


def test_a_budget_that_ends_is_three_and_the_run_goes_on(cli):
    words = ("share", "tickets.parquet", "Is {text} late?", "--within", "0.05", "--json")
    stopped = cli(*words, "--budget", "10calls")
    assert stopped.code == 3
    assert stopped.json["figures"][0]["low"] < stopped.json["figures"][0]["high"]
    resumed = cli("resume", stopped.json["run"], "--budget", "500calls", "--json", server=None)
    assert resumed.code == 0, resumed.err
    assert resumed.json["certificates"][0]["reached"]
