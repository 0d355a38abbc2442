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


def test_a_budget_that_ends_says_what_is_left_in_words(cli):
    done = cli("share", "tickets.parquet", "Is {text} late?", "--within", "0.05", "--budget", "10calls")
    assert "The budget is spent before what was asked for is proved. The same command goes on" in done.out
    done = cli("score", "tickets.parquet", "How angry is {text}?", "--budget", "12calls")
    assert "The budget is spent; " in done.out
    assert " rows were skipped; to ask them all takes about " in done.out
    assert "None" not in done.out
    assert "{" not in done.out.partition("The budget")[2]


def test_the_curve_of_an_estimate_is_drawn(cli):
    done = cli("count", "tickets.parquet", "Is {text} late?", "--calls", "30", "--curve", "curve.svg")
    assert done.code == 0, done.err
    assert "width     0 " in done.out
    drawn = (cli.folder / "curve.svg").read_text()
    assert "Is {text} late?" in drawn
    assert "at most " in drawn


def test_numbers_are_rounded_where_they_are_shown_and_nowhere_else(cli):
    words = ("mean", "tickets.parquet", "How angry is {text}?", "--calls", "17")
    shown = cli(*words).out.splitlines()[3]
    assert all(len(cell.strip()) <= 9 for cell in shown.strip("│").split("│"))
    exact = cli(*words, "--json").json["figures"][0]
    assert any(len(str(exact[name])) > 9 for name in ("value", "low", "high"))


def test_figures_in_sql_say_over_how_many_rows_and_with_which_confidence(cli):
    query = "SELECT AI_SHARE('Is it late?', text, calls => 15, confidence => 0.9) AS s FROM 'tickets.parquet'"
    done = cli("sql", query)
    assert done.code == 0, done.err
    line = next(line for line in done.out.splitlines() if "intervals over" in line)
    assert "15 of them asked; all hold at once with confidence 0.9" in line


def test_what_is_not_proved_is_not_called_certified(cli):
    done = cli("filter", "tickets.parquet", "Is {text} late?", "--recall", "0.9", "--budget", "10calls")
    assert done.code == 3
    assert (
        " rows not asked, before it was proved that at least 90% of the rows the model would keep are kept" in done.out
    )
    assert "certified; its population" not in done.out
    assert "not certified; what was demanded is not proved" in done.out
