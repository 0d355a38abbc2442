"""Rankings: nDCG@10 on Cranfield with its judgements as the model, calls by table size; writes results/rank.json.

The model is simulated: it grades a document 8 where the judgements call it relevant and 2 where not; in the noisy case with a
normal error of 1.5, the same each time, and its orders are by grade with a normal error of 1 that each window draws anew.
Documents that are a query's source count as not relevant, as in the judgements. "Asking all" is computed from the same grades.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import resource
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.plan.template import unfence
from rowsight.session import Session
from rowsight.surfaces.table import read

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).with_name("results") / "rank.json"
K = 10
QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
GRADE_ERROR, ORDER_ERROR = 1.5, 1.0
NORMAL = NormalDist()


def chance(*parts: object) -> float:
    """Return a number in (0, 1) that only ``parts`` decide."""
    return (int.from_bytes(sha256(repr(parts).encode()).digest()[:6], "big") + 0.5) / 2**48


class Judges:
    """The simulated model: answers requests for grades, orders and single scores out of the judgements."""

    def __init__(self, relevant: dict[str, set[int]], numbers: dict[str, int], *, noisy: bool) -> None:
        self.relevant, self.numbers, self.noisy = relevant, numbers, noisy

    def grade(self, question: str, number: int) -> float:
        grade = 8.0 if number in self.relevant[question] else 2.0
        if self.noisy:
            grade += GRADE_ERROR * NORMAL.inv_cdf(chance("grade", question, number))
        return round(min(10.0, max(0.0, grade)), 1)

    def __call__(self, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        question = QUESTION.search(messages[0]["content"]).group(1)
        blocks = [(name.partition("-")[0], self.numbers[text]) for name, text in unfence(messages[1]["content"])]
        grades = {name: self.grade(question, number) for name, number in blocks}
        names = schema["properties"]
        if "grades" in names:
            return {"grades": [{"id": name, "grade": grade} for name, grade in grades.items()]}
        if "ranking" in names:
            seen = tuple(n for _, n in blocks)
            errors = {
                name: ORDER_ERROR * NORMAL.inv_cdf(chance(question, seen, n)) if self.noisy else 0.0
                for name, n in blocks
            }
            return {"ranking": sorted(grades, key=lambda name: -(grades[name] + errors[name]))}
        return next(iter(grades.values()))


def ndcg(order: list[int], relevant: set[int]) -> float:
    """Return nDCG@10 of an order of documents under binary relevance."""
    gain = sum(1 / math.log2(place + 2) for place, one in enumerate(order[:K]) if one in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(K, len(relevant))))


def bm25_order(query: str, texts: list[str], counts: list[Counter[str]]) -> list[int]:
    """Return the documents by BM25 (k1 1.2, b 0.75) over lower-cased words."""
    words = set(re.findall(r"\w+", query.lower()))
    lengths = np.array([sum(c.values()) for c in counts], float)
    scores = np.zeros(len(texts))
    for word in sorted(words):
        times = np.array([c[word] for c in counts], float)
        holding = (times > 0).sum()
        rarity = math.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        scores += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * lengths / lengths.mean()))
    return np.argsort(-scores, kind="stable").tolist()


def cranfield(part: str, queries: int) -> dict[str, Any]:
    """Return what one system came to: ``rivals`` stand for those that need no run."""
    docs = pq.read_table(DATA / "rank_cranfield_docs.parquet", columns=["id", "text"])
    texts: list[str] = docs.column("text").to_pylist()
    place = {one: number for number, one in enumerate(docs.column("id").to_pylist())}
    relevant: dict[str, set[int]] = {}
    for row in pq.read_table(DATA / "rank_cranfield_qrels.parquet").to_pylist():
        found = relevant.setdefault(f"How relevant is {{text}} to the request: {row['text_a']}", set())
        if row["relevant"]:
            found.add(place[row["doc_id"]])
    judged = [q for q in relevant if relevant[q]]
    chosen = [judged[i] for i in np.random.default_rng(0).choice(len(judged), min(queries, len(judged)), replace=False)]
    table = pa.table({"number": range(len(texts)), "text": texts})
    numbers = {text: number for number, text in reversed(list(enumerate(texts)))}
    if part == "rivals":
        return rivals(chosen, relevant, texts, numbers)
    noisy, outside = "noisy" in part, 0.05 if "certified" in part else None
    return {part: ours(table, chosen, relevant, numbers, noisy=noisy, outside=outside)}


def rivals(
    chosen: list[str], relevant: dict[str, set[int]], texts: list[str], numbers: dict[str, int]
) -> dict[str, Any]:
    """Return BM25, grading its first hundred, and asking all."""
    counts = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    orders = {q: bm25_order(q.partition(": ")[2], texts, counts) for q in chosen}
    asked = len(numbers)
    found = {"bm25": {"ndcg": fmean(ndcg(orders[q], relevant[q]) for q in chosen), "calls": 0, "documents_read": 0}}
    for noisy in (False, True):
        judges = Judges(relevant, numbers, noisy=noisy)
        for name, first, calls in (("first hundred of bm25 graded", 100, 5), ("all asked", len(texts), asked)):
            found[name + (" noisy" if noisy else "")] = {
                "ndcg": fmean(ndcg(graded(judges, q, orders[q][:first]), relevant[q]) for q in chosen),
                "calls": calls,
                "documents_read": min(first, asked),
            }
    return found


def graded(judges: Judges, question: str, order: list[int]) -> list[int]:
    """Return documents by grade, equal ones in the order given."""
    return sorted(order, key=lambda number: -judges.grade(question, number))


def ours(
    table: pa.Table,
    chosen: list[str],
    relevant: dict[str, set[int]],
    numbers: dict[str, int],
    *,
    noisy: bool,
    outside: float | None,
) -> dict[str, Any]:
    judges = Judges(relevant, numbers, noisy=noisy)
    config = SimulationConfig(text="text", hook=judges)
    quality, calls, windows, read_documents, certified, false = [], [], [], [], 0, 0
    with SimulatedServer(config, {"text": ["a"], "truth": ["b"]}) as server, tempfile.TemporaryDirectory() as state:
        source = read(table, session=Session(state=Path(state)))
        for question in chosen:
            done = source.rank(question, K, outside=outside).run("sim", base_url=server.base_url)
            order = done.to_arrow().column("number").to_pylist()
            quality.append(ndcg(order, relevant[question]))
            calls.append(done.report.calls)
            windows.append(done.ranking.grading_windows + done.ranking.ordering_windows)
            read_documents.append(done.ranking.graded)
            if done.outside is not None and done.outside.bar is not None:
                certified += done.outside.certified
                # the rows above the bar among all: no fewer than those outside
                above = sum(judges.grade(question, n) > done.outside.bar for n in numbers.values()) - (K - 1)
                false += above > done.outside.at_most
    result = {
        "queries": len(chosen),
        "ndcg": fmean(quality),
        "calls": fmean(calls),
        "window_calls": fmean(windows),
        "documents_read": fmean(read_documents),
    }
    return result if outside is None else {**result, "outside": outside, "certified": certified, "false": false}


def by_size(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return calls and CPU time of the first ten rows of tables of several sizes, by a measure that no word names."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, 400)
    found = []
    for size in sizes:
        words = rng.integers(0, 400, (size, 12))
        texts = [f"row {n}: " + " ".join(f"w{w}" for w in row) for n, row in enumerate(words)]
        sums = weights[words].sum(axis=1)
        truth = np.round(10 / (1 + np.exp(-sums / 3)), 4)
        best = set(np.argsort(-sums)[:K].tolist())
        table = pa.table({"number": range(size), "text": texts, "truth": truth})
        config = SimulationConfig(text="text", truths=(Truth("truth"),))
        with SimulatedServer(config, table.to_batches()) as server, tempfile.TemporaryDirectory() as state:
            source = read(table.select(["number", "text"]), session=Session(state=Path(state)))
            for k in (10, 50):
                started = resource.getrusage(resource.RUSAGE_SELF)
                done = source.rank("How good is {text}?", k).run("sim", base_url=server.base_url)
                ended = resource.getrusage(resource.RUSAGE_SELF)
                cpu = ended.ru_utime - started.ru_utime + ended.ru_stime - started.ru_stime
                numbers = done.to_arrow().column("number").to_pylist()
                hits, above = len(best & set(numbers)), int((np.delete(truth, numbers) > truth[numbers[-1]]).sum())
                line = {"rows": size, "k": k, "calls": done.report.calls, "graded": done.ranking.graded}
                found.append(
                    {
                        **line,
                        "first_ten_found": hits,
                        "outside_above_last": above / size,
                        "cpu_ms_per_row": 1000 * cpu / size,
                    }
                )
                print(json.dumps(found[-1]), flush=True)
    return found


PARTS = ("rivals", "rank", "rank noisy", "rank certified", "rank noisy certified", "sizes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000, 100_000])
    given = parser.parse_args()
    for part in given.only:
        found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"cranfield": {}}
        if part == "sizes":
            found["by_size"] = by_size(tuple(given.sizes))
        else:
            found["cranfield"] |= cranfield(part, given.queries)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(part, json.dumps(found["cranfield"].get(part)), flush=True)


if __name__ == "__main__":
    main()
