"""What is kept between versions: which row is which, and the file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import random as random_sparse

from rowsight.core.errors import InputError, LedgerError
from rowsight.execution.cascade.frozen import FrozenGuesses, FrozenZones, frozen_of
from rowsight.execution.cascade.labels import Labels
from rowsight.execution.cascade.learner import Learner
from rowsight.execution.follows import KEY, Answers, Follow, followed, opened
from rowsight.proxies import linear

TEXTS = st.lists(st.sampled_from([b"a", b"b", b"c" * 16, b"d"]), max_size=12)


def keys(texts):
    return np.array(texts, KEY)


@given(TEXTS, TEXTS)
def test_the_nth_row_of_a_text_is_the_nth_that_was_kept(old, new):
    rows = Answers().put(np.full(len(old), -1), keys(old), 1, np.zeros(len(old)), np.zeros(len(old), bool))
    found = rows.find(keys(new))
    for i, text in enumerate(new):
        before = new[:i].count(text)
        places = [j for j, kept in enumerate(old) if kept == text]
        assert found[i] == (places[before] if before < len(places) else -1)


def test_rows_keep_their_places_and_those_without_an_answer_go():
    rows = Answers().put(np.full(3, -1), keys([b"a", b"b", b"c"]), 1, np.arange(3.0), np.array([True, True, False]))
    later = rows.put(np.array([1, -1]), keys([b"b", b"d"]), 2, np.array([7.0, 8.0]), np.array([False, False]))
    assert later.values.tolist() == [0.0, 7.0, 2.0, 8.0]
    assert later.versions.tolist() == [1, 2, 1, 2]
    assert later.proxied.tolist() == [True, False, False, False]
    assert later.without(np.array([0])).keys.tolist() == [b"b", b"c", b"d"]
    assert rows.values.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("kind", ["zones", "labels", "scores"])
def test_a_frozen_proxy_says_the_same_after_it_was_kept(tmp_path, kind):
    rng = np.random.default_rng(0)
    features = random_sparse(200, 5000, 0.01, "csr", np.float32, rng=rng)
    if kind == "zones":
        answers = rng.integers(0, 2, 200)
        frozen = FrozenZones(linear.fit(features, answers == 1), -0.1, 0.1, (0.1, 0.2))
    else:
        answers = rng.integers(0, 4, 200) if kind == "labels" else rng.random(200) * 10
        proxy = Learner(4 if kind == "labels" else None, None if kind == "labels" else 1.0)
        proxy.refit(features, np.arange(200), answers, np.ones(200, bool))
        frozen = FrozenGuesses.of(proxy, 0.95, 20, 200)
    follow = Follow(tmp_path / "q.npz", {"confidence": 0.95}, frozen=frozen)
    follow.labels = Labels(features, answers, np.ones(200, bool))
    follow.save()
    kept = Follow.load(follow.path)
    assert kept.frozen.rates == frozen.rates
    new = random_sparse(100, 5000, 0.01, "csr", np.float32, rng=rng)
    truth = rng.integers(0, 2, 100) if kind != "scores" else rng.random(100) * 100
    assert np.array_equal(kept.frozen.wrong(new, truth), frozen.wrong(new, truth))
    assert frozen.wrong(new, truth).any()
    assert (kept.labels.features != features).nnz == 0
    assert frozen_of({}) is None


def test_a_file_that_is_none_is_refused_with_the_remedy(tmp_path):
    with opened(tmp_path, "q") as follow:
        follow.save()
    whole = follow.path.read_bytes()
    for content in (
        b"",
        b"nonsense",
        whole[:100],
        whole[:-30],
        whole.replace(b"rowsight-follow/1", b"rowsight-follow/2"),
    ):
        follow.path.write_bytes(content)
        with pytest.raises(LedgerError, match=r"move it away|another Rowsight"), opened(tmp_path, "q"):
            pass


def test_an_unknown_name_is_told_with_the_nearest(tmp_path):
    with opened(tmp_path, "late-parcels") as follow:
        follow.check({"confidence": 0.95})
        follow.save()
    assert [f.name for f in followed(tmp_path)] == ["late-parcels"]
    with pytest.raises(InputError, match="did you mean 'late-parcels'"):
        followed(tmp_path, "late-parcel")
    assert (tmp_path / "follows" / "late-parcels.npz").stat().st_mode & 0o077 == 0
