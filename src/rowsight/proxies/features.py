"""Features of texts without any weights: hashed words and character n-grams, TF-IDF weighted.

Words and characters are hashed by vectorised arithmetic over the code points of a whole batch, so that no Python code
runs per token. With ``S(i) = sum_{j<i} c_j p^j (mod 2^64)`` and odd ``p``, the span [i, k) has the hash
``(S(k) - S(i)) p^-i`` (Karp and Rabin's rolling hash, evaluated at all spans at once). Punctuation marks and ideographs
are tokens of their own, so ``?!`` counts and Chinese needs no segmenter. Every row's features depend on that row's text
alone, never on its batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from rowsight.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Matrix = sparse.csr_matrix | np.ndarray[Any, np.dtype[np.float32]]
"""Features of some rows: sparse or dense, float32, one row each."""

SEPARATOR = "\x1f"
"""Stands between the columns of one row; a token of its own."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SPACE, _LETTER, _SINGLE = 0, 1, 2
_BMP = 0x10000
_PIECE = 32_768  # code points worked on at once: what is made of them fits in a processor's cache
_MOST_BITS = 24  # of a column's number
_KEY_BITS = 32  # of a row's number within its piece and of a column, together
_LOGARITHMS = 4096  # frequencies whose sublinear weight is looked up


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is counted, and how.

    word_bits, char_bits: log2 of the number of columns of each block. word_orders, char_orders: lengths of the
    n-grams. max_chars: longer texts keep their first two thirds and last third of so many characters. char_weight: norm
    of a row's character block beside the word block's 1. shape: count length, capitals and digits too.
    """

    word_bits: int = 18
    char_bits: int = 18
    word_orders: tuple[int, ...] = (1, 2)
    char_orders: tuple[int, ...] = (2, 4)
    max_chars: int = 4000
    char_weight: float = 1.0
    shape: bool = True

    def __post_init__(self) -> None:
        if self.column_bits > _MOST_BITS:
            raise InputError(f"word_bits={self.word_bits}, char_bits={self.char_bits}: at most {_MOST_BITS - 1} each")

    @property
    def dimensions(self) -> int:
        """Columns in all."""
        return (1 << self.word_bits) + (1 << self.char_bits)

    @property
    def column_bits(self) -> int:
        """Bits of a column's number."""
        return (self.dimensions - 1).bit_length()


class Featurizer:
    """Hashed TF-IDF features, fitted on a uniform sample of the texts.

    ``transform`` gives CSR float32 of shape (rows, ``recipe.dimensions``); the word block and the character block of
    every row have the norms 1 and ``recipe.char_weight`` (0 where a block is empty).
    """

    def __init__(self, recipe: Recipe, weights: NDArray[np.float32]) -> None:
        self.recipe = recipe
        self.weights = weights
        """Inverse document frequencies, one a column."""

    @classmethod
    def fit(cls, sample: Iterable[str | None], recipe: Recipe | None = None) -> Featurizer:
        """Learn the inverse document frequencies from ``sample`` (a few thousand texts drawn uniformly suffice)."""
        recipe = recipe or Recipe()
        frequency = np.zeros(recipe.dimensions, dtype=np.int64)
        rows = 0
        for piece in _pieces(sample, recipe):
            np.add.at(frequency, _counts(piece, recipe).indices, 1)
            rows += len(piece)
        return cls(recipe, (np.log((1.0 + rows) / (1.0 + frequency)) + 1.0).astype(np.float32))

    @property
    def dimensions(self) -> int:
        """Columns of what ``transform`` returns."""
        return self.recipe.dimensions

    def transform(self, texts: Iterable[str | None]) -> sparse.csr_matrix:
        """Return the features of ``texts`` (a list or an Arrow array of strings; ``None`` counts as empty)."""
        parts = [self._weighted(_counts(piece, self.recipe)) for piece in _pieces(texts, self.recipe)]
        if not parts:
            return sparse.csr_matrix(np.empty((0, self.dimensions), dtype=np.float32))
        return parts[0] if len(parts) == 1 else sparse.csr_matrix(sparse.vstack(parts, format="csr"))

    def _weighted(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Sublinear term frequency times inverse document frequency; each block of a row scaled to its norm."""
        data = _sublinear(counts.data) * self.weights[counts.indices]
        words = np.append(0, np.cumsum(counts.indices < (1 << self.recipe.word_bits)))[counts.indptr]
        sizes = np.column_stack([np.diff(words), np.diff(counts.indptr - words)]).ravel()  # words, then characters
        squares = np.square(data, dtype=np.float64)
        norms = np.sqrt(np.bincount(np.repeat(np.arange(len(sizes)), sizes), squares, minlength=len(sizes)))
        scales = np.tile([1.0, self.recipe.char_weight], counts.shape[0]) / np.maximum(norms, 1e-12)
        data = (data * np.repeat(scales, sizes)).astype(np.float32)
        return sparse.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)


def dense_rows(values: Any, rows: int) -> NDArray[np.float32]:
    """Return a user's dense features as float32 rows of norm 1.

    ``InputError`` where the shape isn't (rows, dimensions) or a value isn't a finite number.
    """
    try:
        dense = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"features are not vectors of equal length for every row: {error}") from error
    if dense.ndim != 2 or len(dense) != rows:  # noqa: PLR2004
        raise InputError(
            f"features have the shape {dense.shape}, not ({rows}, any); give one vector of equal length for every row"
        )
    if not np.isfinite(dense).all():
        raise InputError("features hold values that are not finite; replace them before the run")
    norms: NDArray[np.float32] = np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(dense / norms, dtype=np.float32)


def join_columns(columns: Sequence[Iterable[str | None]]) -> list[str]:
    """Return one text a row out of a question's columns, with a separator that is a token of its own."""
    if len(columns) == 1:
        return [v or "" for v in _strings(columns[0])]
    return [SEPARATOR.join([v or "" for v in row]) for row in zip(*(_strings(c) for c in columns), strict=True)]


def _strings(texts: Iterable[str | None]) -> list[str | None]:
    """Return a list, of an Arrow array too."""
    listed = getattr(texts, "to_pylist", None)
    return listed() if listed is not None else list(texts)


def counted(texts: Iterable[str | None], recipe: Recipe) -> sparse.csr_matrix:
    """Return the plain counts of the n-grams of every text, of shape (rows, ``recipe.dimensions``)."""
    parts = [_counts(piece, recipe) for piece in _pieces(texts, recipe)]
    empty = sparse.csr_matrix(np.empty((0, recipe.dimensions), dtype=np.float32))
    return sparse.csr_matrix(sparse.vstack([empty, *parts], format="csr"))


def _pieces(texts: Iterable[str | None], recipe: Recipe) -> Iterator[list[str]]:
    """Yield capped, lower-cased-later texts in lists of about ``_PIECE`` code points, as many as keys can number."""
    most = 1 << (_KEY_BITS - recipe.column_bits)
    piece: list[str] = []
    size = 0
    for text in _strings(texts):
        kept = _capped(text or "", recipe.max_chars)
        piece.append(kept)
        size += len(kept) + 2
        if size >= _PIECE or len(piece) == most:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _capped(text: str, max_chars: int) -> str:
    """Keep the head and the tail of a long text: what it is about, and how it ends."""
    if len(text) <= max_chars:
        return text
    tail = max_chars // 3
    return text[: max_chars - tail] + " " + text[len(text) - tail :]


def _counts(texts: list[str], recipe: Recipe) -> sparse.csr_matrix:
    """Count the n-grams of every text: sort (row, column) in one number each, and measure the runs of equal ones."""
    points, row_of = _code_points(texts)
    found = [*_word_columns(points, row_of, recipe), *_char_columns(points, row_of, recipe)]
    if recipe.shape:
        found.append(_shape_columns(texts, recipe))
    bits = recipe.column_bits
    keys = _sorted(np.concatenate([(rows.astype(np.uint32) << np.uint32(bits)) | columns for rows, columns in found]))
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    counts = np.diff(starts, append=len(keys)).astype(np.float32)
    keys = keys[starts]
    columns = (keys & np.uint32((1 << bits) - 1)).astype(np.int32)
    firsts = np.searchsorted(keys, np.arange(len(texts), dtype=np.uint32) << np.uint32(bits))
    rows = np.append(firsts, len(keys)).astype(np.int32)
    return sparse.csr_matrix((counts, columns, rows), shape=(len(texts), recipe.dimensions))


def _sorted(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Sort by radix, 16 bits at a time: a third of the time of comparing, as long as the keys fit in the cache."""
    keys = keys[np.argsort(keys.astype(np.uint16), kind="stable")]
    return keys[np.argsort((keys >> np.uint32(16)).astype(np.uint16), kind="stable")]


@lru_cache(maxsize=1)
def _sublinear_table() -> NDArray[np.float32]:
    return np.asarray(1.0 + np.log(np.arange(1, _LOGARITHMS + 1, dtype=np.float32)), dtype=np.float32)


def _sublinear(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``1 + log(count)``."""
    if len(counts) and counts.max() > _LOGARITHMS:
        return np.asarray(1.0 + np.log(counts))
    return _sublinear_table()[counts.astype(np.int32) - 1]


def _code_points(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Return the lower-cased code points of all texts, each between spaces, and the row of each code point.

    Runs of white space become one space.
    """
    lowered = [" " + " ".join(t.lower().split()) + " " for t in texts]
    lengths = np.fromiter((len(t) for t in lowered), dtype=np.int64, count=len(lowered))
    points = np.frombuffer("".join(lowered).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return points, np.repeat(np.arange(len(texts), dtype=np.int32), lengths)


@lru_cache(maxsize=1)
def _classes() -> NDArray[np.uint8]:
    """Space, part of a word, or a token by itself, for every code point of the basic plane."""
    table = np.full(_BMP, _SINGLE, dtype=np.uint8)
    for code in range(_BMP):
        char = chr(code)
        if char.isspace():
            table[code] = _SPACE
        elif (char.isalnum() or char == "_") and not _ideographic(code):
            table[code] = _LETTER
    return table


def _ideographic(code: int) -> bool:
    """Scripts written without spaces: every character is a token."""
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x0E00 <= code <= 0x0EFF or 0x1780 <= code <= 0x17FF  # noqa: PLR2004


def _prefix_sums(points: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return S (length n + 1) and the powers of the base's inverse."""
    values = _mixed(points.astype(np.uint64) + np.uint64(1))
    powers = np.full(len(points) + 1, _BASE, dtype=np.uint64)
    powers[0] = 1
    inverses = np.full(len(points) + 1, _INVERSE, dtype=np.uint64)
    inverses[0] = 1
    np.cumprod(powers, out=powers)
    np.cumprod(inverses, out=inverses)
    sums = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum(values * powers[:-1], out=sums[1:])
    return sums, inverses


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit values (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _columns(hashes: NDArray[np.uint64], salt: int, bits: int, first: int) -> NDArray[np.int32]:
    salted = hashes + np.uint64(salt * int(_BASE) % 2**64)
    return np.asarray((_mixed(salted) >> np.uint64(64 - bits)).astype(np.int32) + np.int32(first))


def _word_columns(
    points: NDArray[np.uint32], row_of: NDArray[np.int32], recipe: Recipe
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Yield (rows, columns) of the word n-grams of each order; punctuation marks and ideographs are words."""
    kinds = np.where(points < _BMP, _classes()[np.minimum(points, _BMP - 1)], _SINGLE)
    starts_here = kinds != _SPACE
    starts_here[1:] &= (kinds[1:] == _SINGLE) | (kinds[1:] != kinds[:-1])
    starts = np.flatnonzero(starts_here)
    ends_here = np.append(starts_here[1:] | (kinds[1:] == _SPACE), True)
    ends = np.flatnonzero((kinds != _SPACE) & ends_here) + 1
    sums, inverses = _prefix_sums(points)
    words = _mixed((sums[ends] - sums[starts]) * inverses[starts])
    rows = row_of[starts]
    for order in recipe.word_orders:
        count = max(len(words) - order + 1, 0)
        chain = np.zeros(count, dtype=np.uint64)
        for place in range(order):
            chain = _mixed(chain * _BASE + words[place : place + count])
        inside = rows[:count] == rows[order - 1 : order - 1 + count]
        yield rows[:count][inside], _columns(chain[inside], order, recipe.word_bits, 0)


def _char_columns(
    points: NDArray[np.uint32], row_of: NDArray[np.int32], recipe: Recipe
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Yield (rows, columns) of the character n-grams of each order, which may span words."""
    values = _mixed(points.astype(np.uint64) + np.uint64(1))
    for order in recipe.char_orders:
        count = max(len(points) - order + 1, 0)
        hashes = np.zeros(count, dtype=np.uint64)
        for place in range(order):
            hashes = hashes * _BASE + values[place : place + count]
        inside = row_of[:count] == row_of[order - 1 : order - 1 + count]
        columns = _columns(hashes[inside], 16 + order, recipe.char_bits, 1 << recipe.word_bits)
        yield row_of[:count][inside], columns


def _shape_columns(texts: list[str], recipe: Recipe) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (rows, columns) of what lower-casing and n-grams lose: length, capitals, digits, each on a log scale."""
    lengths = np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    row_of = np.repeat(np.arange(len(texts)), lengths)
    digits = np.bincount(row_of[(points >= ord("0")) & (points <= ord("9"))], minlength=len(texts))
    capitals = np.bincount(row_of[(points >= ord("A")) & (points <= ord("Z"))], minlength=len(texts))
    traits = [np.log2(1 + lengths).astype(np.int64), np.log2(1 + digits).astype(np.int64)]
    traits.append(np.minimum(10 * capitals // np.maximum(lengths, 1), 9) + 16 * (capitals > 0))
    rows = np.tile(np.arange(len(texts), dtype=np.int32), len(traits))
    hashes = np.concatenate([_mixed((t + 64 * i + 1).astype(np.uint64)) for i, t in enumerate(traits)])
    return rows, _columns(hashes, 64, recipe.word_bits, 0)
