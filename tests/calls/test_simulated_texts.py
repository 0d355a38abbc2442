"""The row of a prompt: found in a fence, as the longest substring, or not at all."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsight.calls.simulated.asked import Asked
from rowsight.calls.simulated.rows import KnownRows
from rowsight.calls.simulated.texts import RowTexts
from rowsight.core.errors import ColumnError
from rowsight.plan.template import fence

SHORT = st.text("ab \n{", min_size=1, max_size=12)
ANY = st.text(min_size=1, max_size=40)


def known(*texts: str) -> RowTexts:
    found = RowTexts()
    found.add([text.encode() for text in texts])
    found.freeze()
    return found


def row(texts: RowTexts, user: str) -> str | None:
    found = Asked.of({"model": "m", "messages": [{"role": "user", "content": user}]}).row(texts)
    return None if found is None else found[1].decode()


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(SHORT | ANY, max_size=12),
    parts=st.lists(SHORT | ANY, max_size=8),
    picks=st.lists(st.integers(0, 11)),
)
def test_the_longest_text_is_found(texts: list[str], parts: list[str], picks: list[int]) -> None:
    message = "".join([*parts, *(texts[i] for i in picks if i < len(texts))]).encode()
    everything = {text.encode() for text in texts} | {text.encode().strip() for text in texts}
    naive = max((len(text) for text in everything if text in message), default=0)
    found = known(*texts).longest_in(message)
    assert len(found or b"") == naive
    assert found is None or found in everything


@settings(max_examples=40, deadline=None)
@given(
    shared=st.integers(500, 600),
    ends=st.lists(st.integers(0, 300), min_size=1, max_size=20),
    before=st.integers(0, 30),
)
def test_long_texts_that_begin_alike(shared: int, ends: list[int], before: int) -> None:
    texts = ["x" * shared + "y" * end for end in ends]
    message = "q" * before + max(texts, key=len) + "z"
    assert known(*texts).longest_in(message.encode()) == max(texts, key=len).encode()


def test_a_fence_goes_before_a_longer_substring() -> None:
    texts = known("a parcel", "is it about a parcel that is late", "title")
    assert row(texts, "is it about a parcel that is late?\n" + fence("body", "a parcel")) == "a parcel"
    assert row(texts, fence("title", "title") + "\n" + fence("body", "a parcel")) == "a parcel"
    assert row(texts, fence("body", " a parcel\n")) is not None
    assert row(texts, fence("body", "unheard of: a parcel")) == "a parcel"


def test_nothing_is_found_where_nothing_stands() -> None:
    assert row(known("a parcel"), "Is this about something else?") is None
    assert row(known(), "anything") is None
    assert row(known("a parcel"), "") is None


@pytest.mark.parametrize("text", ['He said "no"\nand left', "back\\slash", "中文，新的一行\n好", "emoji 😀\t!"])
@pytest.mark.parametrize("escape", [True, False])
def test_a_row_dumped_as_json_is_found(text: str, *, escape: bool) -> None:
    dumped = json.dumps({"id": 7, "text": text}, ensure_ascii=escape)
    assert row(known("no", "left", text), f"Is this spam? {dumped}") == text


def test_only_the_last_user_message_counts() -> None:
    messages = [
        {"role": "system", "content": "a long example text"},
        {"role": "user", "content": "a long example text"},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": [{"type": "text", "text": "now: short"}]},
    ]
    found = Asked.of({"model": "m", "messages": messages}).row(known("a long example text", "short"))
    assert found == (1, b"short")


def test_a_repeated_text_has_its_majority_answer_and_the_first_on_ties() -> None:
    columns = {
        "text": ["a", "b", "a", "a", "b", "c", None, ""],
        "label": ["x", "q", "y", "y", "p", None, "x", "x"],
        "tags": [["t"], ["u"], ["t"], ["v"], ["u"], [], [], []],
    }
    table = pa.table(columns)
    for rows in (columns, table.to_batches(max_chunksize=3)):
        found = KnownRows(rows, "text", ["label", "tags"])
        labels = found.truths["label"]
        assert [labels.values[code] if code >= 0 else None for code in labels.codes] == ["y", "q", None]
        tags = found.truths["tags"]
        assert [tags.values[code] for code in tags.codes] == [["t"], ["u"], []]


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(ColumnError, match="no column 'lable'; did you mean 'label'"):
        KnownRows({"text": ["a"], "label": [True]}, "text", ["lable"])
