"""Themes saved, read back and compared."""

from __future__ import annotations

import json

import pytest

import rowsight
from rowsight.core.errors import InputError, SourceError
from rowsight.execution.themes.changes import compared
from rowsight.execution.themes.found import Example, Theme, Themes


def theme(name, share, low, high, texts=(), **more):
    return Theme(name, "", round(share * 1000), share, low, high, exemplars=tuple(texts), **more)


def themes(*found, question="{body}", confidence=0.95):
    none = theme("(none of these)", 0.1, 0.05, 0.2)
    return Themes(question, "m", found, none, 1000, 1000, 300, 0, confidence)


LATE = ("where is my parcel", "the parcel is late", "my parcel has not come")


def test_what_is_new_gone_grown_and_shrunk():
    before = themes(
        theme("late parcel", 0.2, 0.15, 0.25, LATE),
        theme("Refund ", 0.3, 0.25, 0.35, ("refund me",)),
        theme("stays", 0.2, 0.15, 0.25, ("it stays",)),
        theme("fax", 0.05, 0.02, 0.09, ("the fax machine",)),
    )
    after = themes(
        theme("parcel that is late", 0.4, 0.35, 0.45, LATE[1:]),
        theme("refund", 0.1, 0.07, 0.15, ("quite other words",)),
        theme("stays", 0.24, 0.2, 0.29, ("it stays",)),
        theme("drone", 0.06, 0.0, 0.1, ("ein neues Ding",)),
    )
    found = compared(before, after)
    assert [(c.kind, c.before, c.after, c.sure, c.matched) for c in found] == [
        ("new", None, "drone", False, None),
        ("gone", "fax", None, True, None),
        ("grown", "late parcel", "parcel that is late", True, "texts"),
        ("shrunk", "Refund ", "refund", True, "name"),
        ("unchanged", "stays", "stays", False, "name"),
    ]
    assert found.confidence == 0.9
    assert [c.name for c in found.grown] == ["parcel that is late"]
    assert "was late parcel" in repr(found)
    assert json.loads(json.dumps(found.as_dict()))["changes"][0]["kind"] == "new"


def test_unknown_shares_are_never_called_changed():
    before = themes(Theme("a", "", None, None, None, None))
    assert [c.kind for c in compared(before, themes(theme("a", 0.5, 0.4, 0.6)))] == ["unchanged"]


def test_other_questions_are_not_compared():
    with pytest.raises(InputError, match="different questions"):
        compared(themes(question="{body}"), themes(question="{title}"))


def test_themes_come_back_from_their_file(tmp_path):
    some = themes(theme("a", 0.5, 0.4, 0.6, LATE, examples=(Example(3, "x"),), words=("parcel",)))
    some.save(tmp_path / "t.json")
    assert rowsight.load_themes(tmp_path / "t.json") == some
    with pytest.raises(InputError, match="did you mean 'a'"):
        some.theme("aa")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "can't be read"),
        ("no json", "not JSON"),
        ("[]", "format"),
        ('{"format": "rowsight-themes-1"}', "damaged"),
        ('{"format": "rowsight-themes-1", "themes": [{"name": 3}]}', "damaged"),
    ],
)
def test_files_without_themes_are_refused(tmp_path, text, says):
    path = tmp_path / "t.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SourceError, match=says):
        rowsight.load_themes(path)
