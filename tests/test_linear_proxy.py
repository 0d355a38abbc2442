"""The linear proxy and the expected numbers of positives in a tail."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import expit

from rowsight.proxies import linear
from rowsight.proxies.calibration import expected_tail, platt


def _separable(rows: int, seed: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.3
    features = sparse.random(rows, 500, density=0.02, format="csr", dtype=np.float32, rng=rng)
    marker = sparse.csr_matrix((labels & (rng.random(rows) < 0.9)).astype(np.float32)[:, None])
    return sparse.csr_matrix(sparse.hstack([features, marker])), labels


def test_learns_the_marker_from_sparse_and_dense_rows() -> None:
    features, labels = _separable(600, 0)
    for matrix in (features, features.toarray()):
        scores = linear.fit(matrix, labels).scores(matrix)
        assert scores[labels].mean() > scores[~labels].mean() + 2


def test_same_labels_same_model() -> None:
    features, labels = _separable(300, 1)
    first, second = (linear.fit(features, labels) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    assert first.offset == second.offset


def test_left_out_scores_do_not_know_their_own_label() -> None:
    rng = np.random.default_rng(2)
    features = sparse.csr_matrix(rng.normal(size=(400, 600)).astype(np.float32) / 25)
    labels = rng.random(400) < 0.5
    fitted = linear.fit(features, labels, 30.0).scores(features)
    left = linear.left_out(features, labels, 30.0)
    assert np.corrcoef(fitted, labels)[0, 1] > 0.8
    assert abs(np.corrcoef(left, labels)[0, 1]) < 0.2


def test_one_class_alone_gives_constant_scores() -> None:
    features, _ = _separable(50, 3)
    scores = linear.fit(features, np.zeros(50, dtype=bool)).scores(features)
    assert np.all(scores == scores[0])
    assert scores[0] < 0


def test_platt_finds_the_curve() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=4000) * 2
    labels = rng.random(4000) < expit(1.5 * scores - 1)
    slope, offset = platt(scores, labels)
    assert abs(slope - 1.5) < 0.15
    assert abs(offset + 1) < 0.15


def test_expected_tail_follows_the_truth_where_the_curve_does_not_fit() -> None:
    rng = np.random.default_rng(5)
    scores = np.sort(rng.normal(size=20_000) * 3)
    chance = np.maximum(expit(scores), 0.02)  # unpredictable positives everywhere
    truth = rng.random(20_000) < chance
    sample = rng.permutation(20_000)[:3000]
    tail, unsure = expected_tail(scores, scores[sample], truth[sample])
    for cut in (4000, 8000, 12_000):
        assert 0.7 < tail[cut] / truth[:cut].sum() < 1.5
    assert np.all(np.diff(tail) >= 0)
    assert tail[0] == 0
    assert np.all(unsure[8000:] < 0.2)
