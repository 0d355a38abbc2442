"""Weight-free features: what they keep, and that a row depends on its own text alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsight.core.errors import InputError
from rowsight.proxies.features import Featurizer, Recipe, dense_rows, join_columns

SMALL = Recipe(word_bits=12, char_bits=12)
TEXTS = ["the parcel came late", "great, thanks!", "这家酒店的房间很干净", "", "FREE prize 12345", "ok ?", "ok !"]
FITTED = Featurizer.fit(TEXTS, SMALL)


def _dense(texts: list[str | None]) -> np.ndarray:
    return FITTED.transform(texts).toarray()


def test_shape_type_and_norms() -> None:
    features = FITTED.transform(TEXTS)
    assert features.shape == (len(TEXTS), FITTED.dimensions) == (7, 8192)
    assert features.dtype == np.float32
    words = np.sqrt(np.asarray(features[:, :4096].multiply(features[:, :4096]).sum(axis=1))).ravel()
    np.testing.assert_allclose(words, 1, atol=1e-5)


def test_punctuation_is_kept() -> None:
    question, exclamation = _dense(["ok ?", "ok !"])
    assert np.abs(question - exclamation).sum() > 0.5


def test_repeated_marks_differ_from_one() -> None:
    one, many = _dense(["why?", "why????"])
    assert np.abs(one - many).sum() > 0.1


def test_chinese_shares_words_without_a_segmenter() -> None:
    clean, also_clean, other = _dense(["房间很干净", "酒店干净", "服务态度太差"])
    assert clean @ also_clean > clean @ other + 0.05


def test_deterministic_across_fits() -> None:
    again = Featurizer.fit(TEXTS, SMALL)
    assert (again.transform(TEXTS) != FITTED.transform(TEXTS)).nnz == 0


def test_arrow_and_none() -> None:
    array = pa.array(["a b", None, "c"])
    assert (FITTED.transform(array) != FITTED.transform(["a b", "", "c"])).nnz == 0
    assert FITTED.transform([]).shape == (0, FITTED.dimensions)


def test_long_texts_keep_head_and_tail() -> None:
    body = "filler " * 5000
    plain, marked = _dense(["start " + body + "end", "start " + body + "zebra"])
    assert np.abs(plain - marked).sum() > 0
    assert FITTED.transform(["x y " * 100_000]).nnz < 100


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.integers(0, 7))
def test_a_row_does_not_depend_on_its_batch(texts: list[str], cut: int) -> None:
    cut = min(cut, len(texts))
    whole = FITTED.transform(texts).toarray()
    parts = np.vstack([FITTED.transform(texts[:cut]).toarray(), FITTED.transform(texts[cut:]).toarray()])
    np.testing.assert_allclose(whole, parts, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), min_size=1, max_size=5))
def test_columns_are_joined_row_by_row(pairs: list[tuple[str, str]]) -> None:
    joined = join_columns([[a for a, _ in pairs], [b for _, b in pairs]])
    assert joined == [f"{a}\x1f{b}" for a, b in pairs]


def test_vectors_are_scaled_to_one() -> None:
    np.testing.assert_allclose(np.linalg.norm(dense_rows([[1, 1.0], [2, 1.0], [0, 1.0]], 3), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "one vector of equal length"),
        ([[1.0, float("nan")]], "not finite"),
        ([[1.0, 2.0], [3.0]], "not vectors of equal length"),
        (["ham"], "not vectors of equal length"),
        ([None], "one vector of equal length"),
    ],
)
def test_what_are_no_vectors_is_refused(vectors, said) -> None:
    with pytest.raises(InputError, match=said):
        dense_rows(vectors, 1)
