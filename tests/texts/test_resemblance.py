"""Near-duplicates by MinHash, beside the exact similarity."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsight.proxies.resemblance import ALIKE, GRAM, families, signatures
from rowsight.worlds import generate


def jaccard(a, b):
    """Return the exact similarity of two texts' sets of 4-grams."""
    first, second = (
        {t[i : i + GRAM] for i in range(len(t) - GRAM + 1)}
        for t in (f" {' '.join(x.lower().split())} " for x in (a, b))
    )
    return len(first & second) / max(len(first | second), 1)


def test_estimates_are_near_the_exact_similarity():
    texts = [t for t in generate("support", "en", rows=300, seed=1).column("text").to_pylist() if t]
    varied = [t[: len(t) * 9 // 10] for t in texts]
    found = signatures([*texts, *varied])
    estimated = (found[: len(texts)] == found[len(texts) :]).mean(axis=1)
    exact = np.array([jaccard(a, b) for a, b in zip(texts, varied, strict=True)])
    assert abs(estimated - exact).mean() < 0.06
    assert abs((estimated - exact).mean()) < 0.02


def test_near_duplicates_are_one_family():
    base = "The parcel that I ordered three weeks ago has not arrived, and nobody answers the phone at the depot."
    texts = [base, base.replace("three", "four"), base.upper(), "Something else entirely, about an invoice.", "", "x"]
    found = families(signatures(texts))
    assert found.family[0] == found.family[1] == found.family[2]
    assert len({found.family[0], *found.family[3:]}) == 4
    assert found.repeated == 2
    assert {frozenset(p[:2]) for p in found.pairs} >= {frozenset((0, 2))}
    assert all(p[2] >= ALIKE for p in found.pairs)


def test_many_equal_texts_take_no_pairs():
    found = families(signatures(["the same text again and again"] * 5000))
    assert found.repeated == 4999


def test_nothing_is_alike_in_nothing():
    assert families(signatures([])).repeated == 0
    assert families(signatures(["", "", "ab"])).repeated == 0


@settings(max_examples=30)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_a_signature_depends_on_its_text_alone(texts):
    together = signatures(texts)
    assert all((signatures([t])[0] == row).all() for t, row in zip(texts, together, strict=True))
