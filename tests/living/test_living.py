"""Followed questions through the whole road: versions, rows that leave, kills, errors, drift."""

import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from growing import ASKED, TABLE, Growing, figures, serve, told

import rowsight
from rowsight.core.errors import InputError
from rowsight.core.events import Warned
from rowsight.execution.follows import Follow, followed, opened
from rowsight.guarantees import verifier

FIRST, SECOND, THIRD = TABLE.slice(0, 550), TABLE.slice(0, 700), TABLE


def certified(result):
    body = result.certificate.body
    assert result.certificate.certified
    assert verifier.verify(body) == body["statement"]["en"]
    return body


def test_only_new_rows_are_paid_for_and_the_certificate_is_extended(growing):
    results = [growing.filter(rows) for rows in (FIRST, SECOND, THIRD)]
    for earlier, later, new in zip(results, results[1:], (150, 150), strict=False):
        assert told(later)[: len(earlier)] == told(earlier)
        assert 0 < later.report.calls < new
    for result in results:
        assert certified(result)["rows"] == sum(status != "null" for _, status in told(result))
        assert min(figures(result)) >= 0.9
    assert "which came in 3 versions" in results[-1].certificate.statement
    again = growing.filter(THIRD)
    assert (again.report.calls, told(again)) == (0, told(results[-1]))
    assert again.certificate.body["digest"] == results[-1].certificate.body["digest"]


def test_the_curve_ends_with_what_is_promised_of_all_rows(growing):
    for rows in (FIRST, SECOND):
        result = growing.filter(rows)
        last = result.report.curves[0][-1]
        assert (last["stage"], last["promise"]) == ("done", result.certificate.body["reached"])
        assert min(last["promise"].values()) >= 0.9


@pytest.mark.parametrize(
    "asking",
    [
        lambda t, f: t.classify(ASKED.classify.prompt, ASKED.labels, accuracy=0.85, follow=f),
        lambda t, f: t.score(ASKED.score.prompt, range=(0, 10), accuracy=0.8, within=2, follow=f),
        lambda t, f: t.filter(ASKED.filter.prompt, missed=0.01, precision=0.9, keep_all=True, follow=f),
        lambda t, f: t.filter(ASKED.filter.prompt, accuracy=0.95, keep_all=True, follow=f),
    ],
    ids=["classify", "score", "missed", "accuracy"],
)
def test_every_metric_is_extended(growing, asking):
    first = growing.run(asking(growing.read(FIRST), "q"))
    result = growing.run(asking(growing.read(SECOND), "q"))
    body = certified(result)
    assert body["oracle"]
    assert told(result)[: len(first)] == told(first)
    assert result.report.calls <= 150
    levels = {m["metric"]: m["level"] for m in body["metrics"]}
    for metric, reached in body["reached"].items():
        assert reached <= levels[metric] if metric == "missed" else reached >= levels[metric]


def test_new_rows_may_come_alone_and_the_whole_table_is_known_then(growing):
    texts = TABLE.column("text").to_pylist()
    once = TABLE.take([i for i, text in enumerate(texts) if text and texts.count(text) == 1])
    growing.filter(once.slice(0, 500), accuracy=0.9)
    alone = growing.filter(once.slice(500), accuracy=0.9)
    assert certified(alone)["rows"] == len(once) - 500
    assert alone.report.as_dict()["follow"]["elsewhere"] == 500
    whole = growing.filter(once, accuracy=0.9)
    assert whole.report.calls == 0
    assert certified(whole)["rows"] == len(once)
    assert told(whole)[500:] == told(alone)


def test_a_handful_of_new_rows_is_simply_asked_and_spends_nothing(growing):
    growing.filter(FIRST, accuracy=0.9)
    for end in (555, 560, 565):
        result = growing.filter(TABLE.slice(0, end), accuracy=0.9)
        assert result.report.calls <= 5
        assert certified(result)["version"] == 2 + (end - 555) // 5
    kept = followed(growing.state, "late")[0]
    assert [version["drawn"] for version in kept.versions] == [True, False, False, False]
    assert kept.spent == pytest.approx(0.025)


def test_rows_that_leave_take_their_denominator_with_them(growing):
    result = growing.filter(FIRST)
    answers = told(result)
    doubtful = [i for i, (answer, status) in enumerate(answers) if status == "proxied" or answer is False]
    left = FIRST.take([i for i in range(550) if i in set(doubtful)])
    shrunk = growing.filter(left)
    body = certified(shrunk)
    assert shrunk.report.as_dict()["follow"]["opened_again"] > 0
    assert shrunk.report.calls > 0
    assert any("certified anew" in note for note in shrunk.report.notes)
    assert min(figures(shrunk)) >= 0.9
    assert growing.filter(left).certificate.body["digest"] == body["digest"]


def test_a_repeated_text_is_a_row_of_its_own(growing):
    first = growing.filter(FIRST, accuracy=0.9)
    asked = next(i for i, (_, status) in enumerate(told(first)) if status == "asked")
    proxied = next(i for i, (_, status) in enumerate(told(first)) if status == "proxied")
    more = pa.concat_tables([FIRST, FIRST.take([asked] * 3), FIRST.take([proxied])])
    result = growing.filter(more, accuracy=0.9)
    assert result.report.calls == 1
    assert [status for _, status in told(result)[550:]] == ["asked"] * 4
    assert certified(result)["rows"] == certified(first)["rows"] + 4


def test_money_that_runs_out_in_a_version_is_no_new_version(growing, model, tmp_path):
    whole = Growing(tmp_path / "whole", model)
    for rows in (FIRST, SECOND):
        unbroken = whole.filter(rows, accuracy=0.9)
    growing.filter(FIRST, accuracy=0.9)
    broken = growing.filter(SECOND, options={"budget": "60calls"}, accuracy=0.9)
    assert not broken.certificate.certified
    assert len(followed(growing.state, "late")[0].versions) == 1
    result = growing.filter(SECOND, accuracy=0.9)
    assert result.certificate.body["digest"] == unbroken.certificate.body["digest"]
    assert result.report.calls == unbroken.report.calls - 60


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    pq.write_table(FIRST, tmp_path / "table.parquet")
    with serve(latency_ms=5.0) as server:
        words = ["filter", tmp_path / "table.parquet", ASKED.filter.prompt, "--recall", "0.9", "--follow", "late"]
        words += [
            "--precision",
            "0.9",
            "--model",
            "sim",
            "--base-url",
            server.base_url,
            "--concurrency",
            "16",
            "--json",
        ]
        command = [sys.executable, "-c", "from rowsight.surfaces.cli import main; main()", *map(str, words)]
        env = os.environ | {"OPENAI_API_KEY": "none", "ROWSIGHT_STATE": str(tmp_path / "killed")}
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while server.stats()["requests"] < 150 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = server.stats()["requests"]
        again = Growing(tmp_path / "killed", server).filter(FIRST)
        unbroken = Growing(tmp_path / "unbroken", server).filter(FIRST)
    assert 150 <= before < unbroken.report.calls
    assert again.report.calls <= unbroken.report.calls - before + 3 * 16  # in flight, or answered and not yet recorded
    assert again.certificate.body["digest"] == unbroken.certificate.body["digest"]
    assert told(again) == told(unbroken)


def test_versions_given_up_after_their_draw_spend_a_share(tmp_path):
    follow = Follow(tmp_path / "q.npz")
    assert [follow.begin(rows) for rows in ("a", "b", "a")] == [1, 1, 1]
    follow.draw()
    assert [follow.begin(rows) for rows in ("a", "b")] == [1, 2]
    follow.draw()
    follow.end()
    assert follow.begin("b") == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recall": 0.8}, 'another guarantee: {"recall": 0.9}, not {"recall": 0.8}'),
        ({"recall": 0.9, "confidence": 0.9}, "another confidence: 0.95, not 0.9"),
    ],
)
def test_a_name_stands_for_one_question(growing, change, words):
    growing.filter(TABLE.slice(0, 200), recall=0.9)
    before = growing.server.stats()["requests"]
    with pytest.raises(InputError) as refused:
        growing.filter(TABLE.slice(0, 300), **change)
    assert words in str(refused.value)
    assert "under another name" in str(refused.value)
    with pytest.raises(InputError, match="another model"):
        growing.read(FIRST).filter(ASKED.filter.prompt, recall=0.9, follow="late").run(
            "other", base_url=growing.server.base_url
        )
    assert growing.server.stats()["requests"] == before


@pytest.mark.parametrize(
    ("asking", "words"),
    [
        (lambda t: t.filter(ASKED.filter.prompt, follow="q"), "no level is demanded"),
        (lambda t: t.filter(ASKED.filter.prompt, recall=0.9, by="channel", follow="q"), "leave by out"),
        (lambda t: t.filter(ASKED.filter.prompt, recall="best", follow="q"), "not the best"),
        (lambda t: t.filter(ASKED.filter.prompt, recall=0.9, follow="../q"), "is no name"),
        (
            lambda t: t.filter("Is {text} long?", recall=0.9).filter(ASKED.filter.prompt, recall=0.9, follow="q"),
            "the only question with a guarantee",
        ),
    ],
    ids=["no level", "by", "best", "name", "two"],
)
def test_what_cant_be_followed_is_refused_before_any_call(growing, asking, words):
    before = growing.server.stats()["requests"]
    asked = asking(growing.read(FIRST))
    for doing in (lambda: growing.run(asked, budget="900calls"), lambda: asked.estimate("sim")):
        with pytest.raises(InputError) as refused:
            doing()
        assert words in str(refused.value)
    assert growing.server.stats()["requests"] == before


def test_without_a_ledger_there_is_nothing_to_go_on_from(growing):
    with pytest.raises(InputError, match="needs the ledger"):
        growing.filter(FIRST, options={"ledger": False})


def test_a_middle_model_is_refused(growing):
    with pytest.raises(InputError, match="leave cascade out"):
        growing.filter(FIRST, options={"cascade": "small"})


def test_two_runs_cant_work_on_one_name(growing):
    with opened(growing.state, "late"), pytest.raises(InputError, match="another run works on follow='late'"):
        growing.filter(FIRST)


def test_an_empty_table_and_one_of_empty_texts_are_versions_of_nothing(growing):
    empty = growing.filter(FIRST.slice(0, 0))
    assert empty.certificate is None
    nothing = FIRST.slice(0, 3).set_column(
        FIRST.column_names.index("text"), "text", pa.array([None, "", None], pa.string())
    )
    result = growing.filter(nothing)
    assert (result.report.calls, result.certificate.body["rows"]) == (0, 0)
    assert certified(growing.filter(FIRST.slice(0, 50)))["version"] == 1


def shifted(rows):
    """Rows whose truth is the opposite of what their texts look like."""
    place = rows.column_names.index(ASKED.filter.truth)
    turned = pa.array([not value for value in rows.column(place).to_pylist()])
    marked = pa.array([text and f"{text} #{i}" for i, text in enumerate(rows.column("text").to_pylist())], pa.string())
    rows = rows.set_column(place, ASKED.filter.truth, turned)
    return rows.set_column(rows.column_names.index("text"), "text", marked)


def test_drift_is_told_the_proxy_is_trained_anew_and_the_certificate_holds(tmp_path):
    table = pa.concat_tables([FIRST, shifted(TABLE.slice(550))])
    heard = []
    with serve(table) as server:
        growing = Growing(tmp_path / "state", server)
        growing.filter(FIRST, accuracy=0.9)
        session = rowsight.Session(state=growing.state, listener=heard.append)
        asked = rowsight.read(table, session=session).filter(
            ASKED.filter.prompt, keep_all=True, follow="late", accuracy=0.9
        )
        result = growing.run(asked)
    certified(result)
    drift = result.report.as_dict()["follow"]["drift"]
    assert drift["alarm"]
    assert drift["evidence"] >= drift["threshold"]
    assert any("drift: of" in note for note in result.report.notes)
    assert any(isinstance(event, Warned) and "drift: of" in event.message for event in heard)
    rows = [r for r in result.to_arrow().to_pylist() if r["answer_status"] != "null"]
    assert sum(r["answer"] == r[ASKED.filter.truth] for r in rows) >= 0.9 * len(rows)
    kept = followed(growing.state, "late")[0]
    assert kept.evidence.epoch == 2
    assert len(kept.labels) == kept.versions[-1]["asked"]


def test_a_model_that_changed_between_versions_is_named(tmp_path):
    table = TABLE.slice(0, 700)
    with serve(drift_after=400, drift_fingerprint=True) as server:
        growing = Growing(tmp_path / "state", server)
        growing.filter(TABLE.slice(0, 300), recall=0.9)
        asked = server.stats()["requests"]
        assert asked < 400
        extra = growing.read(TABLE.slice(690, 400 - asked + 5)).filter("Is {text} short?")
        growing.run(extra)
        result = growing.filter(table, recall=0.9)
    assert len(result.certificate.body["oracle"]) == 2
    assert "The model changed between versions" in result.certificate.statement
    assert any("the model changed between versions" in note for note in result.report.notes)
    certified(result)


def test_a_model_that_changed_within_a_version_proves_nothing_of_it(tmp_path):
    with serve(drift_after=220, drift_fingerprint=True) as server:
        growing = Growing(tmp_path / "state", server)
        void = growing.filter(FIRST)
        assert not void.certificate.certified
        assert len(void.certificate.body["oracle"]) == 2
        verifier.verify(void.certificate.body)
        again = growing.filter(FIRST)
    assert again.report.as_dict()["follow"]["opened_again"] > 0
    certified(again)
    assert min(figures(again)) >= 0.9


def test_sets_of_labels_keep_their_codes(growing):
    def asking(rows):
        table = growing.read(rows)
        return table.classify(ASKED.classify.prompt, ASKED.labels, several=True, accuracy=0.8, follow="sets")

    first = growing.run(asking(FIRST))
    later = growing.run(asking(SECOND))
    assert told(later)[: len(first)] == told(first)
    certified(later)
