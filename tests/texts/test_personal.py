"""Personal data: what is found, what isn't, and what of it is shown."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsight.texts.personal import CANDIDATE, Finder, masked

CASES = Path(__file__).parents[2] / "benchmarks" / "pii_cases.py"
FINDER = Finder()


@pytest.fixture(scope="module")
def made():
    """Return the benchmark's generator, whose check digits are its own."""
    spec = importlib.util.spec_from_file_location("pii_cases", CASES)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pii_cases"] = module
    spec.loader.exec_module(module)
    return module


def found(text, column=""):
    return [(m.kind, text[m.start : m.end]) for m in FINDER.find(text, column) if not m.bare]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail anna.lee@example.co.uk, please", [("email", "anna.lee@example.co.uk")]),
        ("DE89 3704 0044 0532 0130 00 IS MY IBAN", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("card 4111 1111 1111 1111", [("card", "4111 1111 1111 1111")]),
        ("from 8.8.8.8 at night", [("ip", "8.8.8.8")]),
        ("2001:db8::1", [("ip", "2001:db8::1")]),
        ("Ruf +49 30 901820 an", [("phone", "+49 30 901820")]),
        ("(212) 555-0123", [("phone", "(212) 555-0123")]),
        ("电话 13812345678", [("phone", "13812345678")]),
        ("DNI 12345678Z", [("id-es", "12345678Z")]),
        ("BSN 111222333", [("id-nl", "111222333")]),
        ("a@b.com and c@d.org", [("email", "a@b.com"), ("email", "c@d.org")]),
    ],
)
def test_personal_data_is_found(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("version 1.2.3.4", "icon@2x.png", "react@18.2.0", "user@localhost", "127.0.0.1", "2024-05-12 10:30:00"),
        *(
            "order 4111111111111112",
            "12345678A",
            "DE89 3704 0044 0532 0130 01",
            "111222333",
            "999.1.1.1",
            "1,234,567.89",
        ),
        *("ISBN 978-3-16-148410-0", "00000000-0000-4000-8000-000000000000", "0000 0000 0000 0000", "12:30:45"),
    ],
)
def test_what_only_looks_like_it_is_not(text):
    assert found(text) == []


def test_a_weak_number_counts_where_a_word_or_the_column_names_it():
    assert found("see 111222333 here") == []
    assert found("see 111222333 here", "bsn_number") == [("id-nl", "111222333")]
    assert {(m.kind, m.bare) for m in FINDER.find("111222333")} == {("id-us", True), ("id-nl", True)}
    assert FINDER.find("111222333", bare=frozenset()) == []


def test_the_generated_set_is_found_and_its_decoys_are_not(made):
    right, wrong, wanted = Counter(), Counter(), Counter()
    for case in made.cases(1600, seed=5):
        wanted[case.kind] += 1
        for kind, value in found(case.text):
            exact = kind == case.kind and value == case.text[case.start : case.end]
            (right if exact else wrong)[kind] += 1
    assert sum(wrong.values()) <= 0.02 * sum(right.values()), wrong
    strong = [k for k in made.MAKERS if k not in ("phone", "id-pl", "id-nl", "id-br", "id-in")]
    assert min(right[k] / wanted[k] for k in strong) >= 0.98, right
    assert min(right[k] / wanted[k] for k in made.MAKERS) >= 0.4, right


def test_no_value_passes_by_the_prefilter_unseen(made):
    import pyarrow as pa
    import pyarrow.compute as pc

    holding = [c.text for c in made.cases(800, seed=6) if c.kind and found(c.text)]
    assert all(pc.match_substring_regex(pa.array(holding), CANDIDATE).to_pylist())


def test_nothing_is_shown_in_full(made):
    for case in made.cases(400, seed=7):
        for match in FINDER.find(case.text):
            value = case.text[match.start : match.end]
            shown = masked(match.kind, value)
            kept = [a for a, b in zip(value, shown, strict=False) if a == b and a.isalnum()]
            assert value not in shown
            assert match.kind in ("email", "ip") or len(kept) <= 2


def test_masks_keep_the_form():
    assert masked("email", "anna.lee@example.com") == "a•••@e•••.com"
    assert masked("card", "4111 1111 1111 1111") == "•••• •••• •••• ••11"
    assert masked("ip", "10.20.30.40") == "10.•.•.•"


@given(st.text(max_size=200))
def test_any_text_can_be_looked_through(text):
    for match in FINDER.find(text):
        assert 0 <= match.start < match.end <= len(text)


@pytest.mark.parametrize(
    "text", ["1 " * 10_000, "a@" * 10_000, "A1" * 10_000, ":" * 20_000, "1." * 10_000, "DE12 " * 4000, "0(" * 10_000]
)
def test_long_cells_take_no_more_than_their_length(text):
    import time

    started = time.process_time()
    FINDER.find(text[:20_000])
    assert time.process_time() - started < 2.0
