"""Millions of short rows with known truth, and a simulated model that knows them by hashes of their texts.

    python benchmarks/scale_rows.py table PATH ROWS          write the rows as Parquet
    python benchmarks/scale_rows.py serve PATH TEXT TRUTH    answer about column TEXT as column TRUTH says

A row is one message to a shop: a greeting, what was bought, what happened, a tone, an order number that makes it unique.
Three questions have answers by construction. ``easy``: does the message speak of a late parcel (one phrase in eight does;
the words say it all). ``middling`` and ``hard``: is a weighted sum over all parts of the message, plus noise that no
proxy can know, above a threshold; the noise is a tenth or a third of the sum's spread. Rows are drawn in blocks, each
from its own seed, so that a table of fewer rows is the beginning of one of more.

The server keeps 8 bytes and a code for each row (90 MB for ten million), where `rowsight simulate` keeps the texts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BLOCK = 65_536
PREDICATES = ("easy", "middling", "hard")
QUESTION = "Does {text} complain that a parcel is late?"
NOISE = {"middling": 0.1, "hard": 0.33}
KEPT = {"middling": 0.2, "hard": 0.3}

GREETINGS = [
    "Hello,",
    "Hi,",
    "Dear team,",
    "Good morning,",
    "Hey there,",
    "To whom it may concern:",
    "Hi all,",
    "Please help:",
]
KINDS = ["steel", "oak", "red", "blue", "folding", "small", "large", "travel", "garden", "kitchen", "office", "wool"]
THINGS = ["kettle", "lamp", "desk", "chair", "rug", "pan", "clock", "mirror", "blanket", "shelf", "toaster", "basket"]
LATE = [
    f"{what} {since}"
    for what, since in product(
        ["has not come", "is late", "never arrived", "is still on its way", "was due", "is overdue"],
        ["for two weeks", "since Monday", "and nobody knows why", "although tracking says delivered"],
    )
]
BROKEN = [
    "came broken",
    "has a scratch",
    "lost a screw",
    "needs a new bulb",
    "smells odd",
    "looks cheap",
    "was returned",
]
FINE = [
    "is lovely",
    "works well",
    "is just right",
    "is a gift",
    "is too small",
    "has the wrong colour",
    "was charged twice",
]
REMARKS = [
    "as we noticed at once",
    "so we thank you",
    "and we want a refund",
    "so what now",
    "as the photo shows",
    "again",
]
OTHER = [f"{what} {remark}" for what, remark in product([*BROKEN, *FINE], REMARKS)]
TONES = [
    "Thanks.",
    "Please call me.",
    "I am furious!",
    "No hurry.",
    "Kind regards.",
    "Unbelievable!",
    "Best wishes.",
    "Answer me!",
]
SLOTS = [GREETINGS, [f"my {a} {b}" for a, b in product(KINDS, THINGS)], LATE + OTHER, TONES]
LATE_SHARE = 0.125


def blocks(rows: int, seed: int = 0) -> Iterator[pa.RecordBatch]:
    """The rows in order, as batches of ``BLOCK`` rows: id, text and a column of truth for each predicate."""
    weights = [np.random.default_rng([seed, 9, i]).normal(size=len(slot)) for i, slot in enumerate(SLOTS)]
    spread = float(np.sqrt(sum(w.var() for w in weights)))
    texts = [pa.array(slot) for slot in SLOTS]
    for number, start in enumerate(range(0, rows, BLOCK)):
        rng = np.random.default_rng([seed, number])
        picks = [rng.integers(0, len(slot), BLOCK) for slot in SLOTS]
        late = rng.random(BLOCK) < LATE_SHARE
        picks[2] = np.where(late, rng.integers(0, len(LATE), BLOCK), rng.integers(len(LATE), len(SLOTS[2]), BLOCK))
        noise = rng.logistic(size=BLOCK) * spread / np.sqrt(np.pi**2 / 3)
        total = sum(w[p] - w.mean() for w, p in zip(weights, picks, strict=True))
        ids = np.arange(start, start + BLOCK)
        order = pc.utf8_lpad(pa.array(ids + 1).cast(pa.string()), 8, "0")
        parts = [t.take(pa.array(p)) for t, p in zip(texts, picks, strict=True)]
        text = pc.binary_join_element_wise(
            parts[0], parts[1], pc.binary_join_element_wise(parts[2], ".", ""), parts[3], "Order", order, " "
        )
        truth = [pa.array(late)]
        for name in ("middling", "hard"):
            width = spread * np.sqrt(1 + NOISE[name] ** 2)
            truth.append(pa.array(total + NOISE[name] * noise > width * _normal_quantile(1 - KEPT[name])))
        columns = [pa.array(ids), text, *truth]
        yield pa.RecordBatch.from_arrays(columns, names=["id", "text", *PREDICATES]).slice(0, min(BLOCK, rows - start))


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def write(path: Path, rows: int) -> Path:
    made = blocks(rows)
    first = next(made)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in made:
            writer.write_batch(batch)
    return path


class Known:
    """What the model answers about a text: sorted hashes beside the codes of the answers, the first row's on repeats."""

    def __init__(self, path: Path, text: str, truth: str) -> None:
        hashes, codes, values = [], [], {}
        for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=[text, truth]):
            said = batch.column(truth).to_pylist()
            codes.append(np.array([values.setdefault(v, len(values)) for v in said], np.uint8))
            hashes.append(np.array([_hashed(t) for t in batch.column(text).to_pylist()], np.uint64))
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        self._hashes, self._codes = every[order], np.concatenate(codes)[order]
        self._values = list(values)

    def answer(self, text: str) -> Any:
        place = int(np.searchsorted(self._hashes, np.uint64(_hashed(text))))
        if place == len(self._hashes) or self._hashes[place] != _hashed(text):
            return None
        return self._values[self._codes[place]]


def _hashed(text: str | None) -> int:
    return int.from_bytes(blake2b((text or "").encode(), digest_size=8).digest(), "little")


def serve(path: Path, text: str, truth: str) -> None:
    from rowsight.calls.simulated import SimulationConfig, serve
    from rowsight.plan.template import unfence

    known = Known(path, text, truth)

    def hook(messages: list[dict[str, Any]], _schema: dict[str, Any] | None) -> Any:
        return known.answer(unfence(messages[-1]["content"])[0][1])

    config = SimulationConfig(truths=(), hook=hook)
    serve(config, {"text": []}, lambda url: print(f"Serving at {url}", flush=True))


def main() -> None:
    verb, path, *words = sys.argv[1:]
    if verb == "table":
        write(Path(path), int(words[0]))
    else:
        serve(Path(path), *words)


if __name__ == "__main__":
    main()
