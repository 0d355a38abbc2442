"""What the validity simulation attacks with: tables, and oracles that answer about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[3] / "shared" / "data"
LOST = -1


class Oracle:
    """Answers by row; the first answer is the ledger's and stays. ``later`` replaces ``labels`` after so many calls."""

    def __init__(self, labels: np.ndarray, later: np.ndarray | None = None, after: int = 0) -> None:
        self.labels, self.later, self.after = labels, later, after
        self.ledger = np.full(len(labels), -9)
        self.calls = 0

    def ask(self, rows: np.ndarray) -> np.ndarray:
        """Answer each row; a row asked before costs nothing and gets the same answer."""
        new = rows[self.ledger[rows] == -9]
        self.calls += len(new)
        drifted = self.later is not None and self.calls > self.after
        self.ledger[new] = (self.later if drifted else self.labels)[new]
        return self.ledger[rows]

    def truth(self) -> np.ndarray:
        """What the oracle says of every row: the ledger where it was asked, else what it would say now."""
        now = self.labels if self.later is None else self.later
        return np.where(self.ledger == -9, now, self.ledger)


@dataclass
class Case:
    """One table under attack: features (N, p), an oracle, the demanded level and failure probability."""

    features: np.ndarray
    oracle: Oracle
    target: float = 0.9
    failure: float = 0.05
    metric: str = "accuracy"

    @property
    def classes(self) -> int:
        """Number of class codes."""
        return max(2, int(self.oracle.labels.max(initial=1)) + 1)


Maker = Callable[[np.random.Generator], Case]


@lru_cache(maxsize=8)
def real_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Up to 2,000 rows of a labelled table: 32 dense features (hashed words, SVD) and class codes."""
    import pyarrow.parquet as pq
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    file, column = {
        "spam": ("sms_spam", "is_spam"),
        "hotel": ("hotel_reviews_zh", "is_positive"),
        "rt": ("rt_polarity", "is_positive"),
        "snips": ("snips_slots", "intent"),
    }[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column])
    keep = np.random.default_rng(0).choice(table.num_rows, min(2000, table.num_rows), replace=False)
    texts = table.column("text").take(keep).to_pylist()
    _, codes = np.unique(np.array([str(v) for v in table.column(column).take(keep).to_pylist()]), return_inverse=True)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=2).fit_transform(texts)
    dense = TruncatedSVD(32, random_state=0).fit_transform(tfidf)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True) + 1e-9
    return dense.astype(np.float32), codes.astype(np.int64)


def real(name: str, target: float, *, order: str = "shuffled", copies: int = 1) -> Maker:
    """A real table, shuffled or sorted by label, each row repeated ``copies`` times."""

    def make(rng: np.random.Generator) -> Case:
        x, y = real_table(name)
        rows = rng.permutation(len(y))[: 1500 // copies]
        rows = np.repeat(rows, copies)
        rows = rows[np.argsort(y[rows], kind="stable")] if order == "sorted" else rng.permutation(rows)
        return Case(x[rows], Oracle(y[rows]), target)

    return make


def positives(count: float) -> Maker:
    """Labels drawn at random: so many positives among real rows (a share when below 1)."""

    def make(rng: np.random.Generator) -> Case:
        x, _ = real_table("hotel")
        y = np.zeros(len(x), dtype=np.int64)
        y[rng.choice(len(x), int(count if count >= 1 or count == 0 else count * len(x)), replace=False)] = 1
        return Case(x, Oracle(y), 0.95)

    return make


def everything_positive(_: np.random.Generator) -> Case:
    """Every row is positive."""
    x, _y = real_table("hotel")
    return Case(x, Oracle(np.ones(len(x), dtype=np.int64)), 0.95)


def line(rng: np.random.Generator, rows: int = 1200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A question that one feature answers: features, labels, and the rows from the surest to the least sure."""
    x = rng.uniform(-1, 1, rows)
    features = np.column_stack([x, rng.normal(size=rows) * 0.1]).astype(np.float32)
    return features, (x > 0).astype(np.int64), np.argsort(-np.abs(x))


def above_budget(rng: np.random.Generator) -> Case:
    """Errors everywhere, a little more than the budget bears."""
    x, y, _ = line(rng)
    flips = rng.choice(len(y), int(len(y) * 0.1 * rng.uniform(1.05, 1.6)), replace=False)
    y[flips] ^= 1
    return Case(x, Oracle(y), 0.9)


def rising(rng: np.random.Generator) -> Case:
    """Errors that rise by 3% a step along the order: each nested prefix is a little worse than the one before."""
    x, y, order = line(rng)
    step = np.arange(len(y)) * 20 // len(y)
    y[order[rng.random(len(y)) < 0.1 * rng.uniform(0.85, 1.25) * 1.03**step]] ^= 1
    return Case(x, Oracle(y), 0.9)


def unanswerable(rng: np.random.Generator) -> Case:
    """The rows that the proxy would get wrong are the ones that the oracle can't answer."""
    x, y, _ = line(rng)
    y[rng.choice(len(y), int(len(y) * 0.1 * rng.uniform(0.9, 1.5)), replace=False)] = LOST
    return Case(x, Oracle(y), 0.9)


def surest(rng: np.random.Generator) -> Case:
    """All errors stand among the rows that the proxy is surest of."""
    x, y, order = line(rng)
    count = int(len(y) * 0.1 * rng.uniform(1.05, 1.6))
    y[rng.choice(order[: 3 * count], count, replace=False)] ^= 1
    return Case(x, Oracle(y), 0.9)


def overconfident(rng: np.random.Generator) -> Case:
    """A cluster that looks like another one and is labelled otherwise: the calibration sample hardly sees it."""
    x, y, _ = line(rng)
    cluster = rng.random(len(y)) < 0.025 * rng.uniform(0.9, 1.6)
    x[cluster] = [0.9, 0.0]
    y[cluster] = 0
    return Case(x, Oracle(y), 0.98)


def inverted(rng: np.random.Generator) -> Case:
    """Features that say nothing, and one that is right in the middle and inverted at the ends."""
    x, y, order = line(rng)
    y[order[: int(len(y) * rng.uniform(0.05, 0.3))]] ^= 1
    return Case(x, Oracle(y), 0.9)


def worthless(rng: np.random.Generator) -> Case:
    """Labels that no feature says anything about."""
    x, y, _ = line(rng)
    return Case(x, Oracle(rng.permutation(y)), 0.9)


def noisy(rng: np.random.Generator) -> Case:
    """An oracle that would answer otherwise if it were asked again; the ledger keeps its first answer."""
    x, y, _ = line(rng)
    return Case(x, Oracle(np.where(rng.random(len(y)) < rng.uniform(0.08, 0.14), 1 - y, y)), 0.9)


def drifting(rng: np.random.Generator) -> Case:
    """An oracle that drifts while the proxy is trained: the first 100 answers mislead."""
    x, y, _ = line(rng)
    first = np.where(x[:, 0] > rng.uniform(-0.3, 0.3), 1, 0)
    return Case(x, Oracle(first, later=y, after=100), 0.9)


ADVERSARIES: dict[str, Maker] = {
    "truth just above the budget": above_budget,
    "errors rise along the prefixes": rising,
    "errors can't be answered": unanswerable,
    "errors in the surest rows": surest,
    "over-confident proxy": overconfident,
    "inverted proxy": inverted,
    "worthless proxy": worthless,
    "noise fresh per call": noisy,
    "drift in training": drifting,
}


def tables() -> Iterator[tuple[str, Maker]]:
    """The pooled runs: real tables (where they are at hand) and extreme prevalences."""
    if not DATA.is_dir():
        return
    for name, target in (("spam", 0.95), ("spam", 0.98), ("hotel", 0.9), ("rt", 0.8), ("snips", 0.9), ("snips", 0.95)):
        yield f"{name} at {target}", real(name, target)
    yield "spam, sorted", real("spam", 0.95, order="sorted")
    yield "snips, sorted", real("snips", 0.95, order="sorted")
    yield "spam, each row 5 times", real("spam", 0.95, copies=5)
    yield "hotel, each row 5 times", real("hotel", 0.9, copies=5)
    for count in (0, 1, 0.001):
        yield f"{count:g} positives" if count != 0.001 else "0.1% positives", positives(count)
    yield "all positives", everything_positive
