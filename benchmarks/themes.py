"""Themes against gold classes, beside BERTopic on the same embeddings.

For each labelled table of ``../shared/data``: adjusted mutual information and purity of (1) the groups of texts, no model
asked; (2) the themes that come out of ``themes``, the truth column being the model and a deterministic namer naming each
group by what most of the texts it sees are; (3) BERTopic's topics from the same vectors, its outliers one group of their
own, or put to their nearest topics. CPU seconds of one core, calls counted by the simulated server.

    python benchmarks/themes.py --rival ENV/bin/python [--rows 4000] [--only snips]
    python benchmarks/themes.py --table
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import adjusted_mutual_info_score

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.proxies.clusters import Space, chosen_count, cluster
from rowsight.session import Session

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
RESULTS = HERE / "results" / "themes.json"
PAGE = HERE.parent / "docs" / "themes.md"
SETS = {
    "banking77": ("banking77", "label"),
    "snips": ("snips_slots", "intent"),
    "arxiv archive": ("arxiv_abstracts", "archive"),
    "goemotions": ("goemotions", "single_label"),
    "cold_zh topic": ("cold_zh", "topic"),
    "hotel_zh sentiment": ("hotel_reviews_zh", "is_positive"),
}
MOST = 60


def rows_of(name: str, rows: int) -> tuple[list[str], list[str]]:
    """Return distinct texts and their classes, ``rows`` of them at most, drawn with a seed."""
    file, column = SETS[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column]).to_pylist()
    kept = {r["text"]: str(r[column]) for r in table if r["text"].strip() and r[column] != "MULTI"}
    texts = sorted(kept)
    drawn = np.random.default_rng(0).permutation(len(texts))[:rows]
    return [texts[i] for i in drawn], [kept[texts[i]] for i in drawn]


def judged(gold: list[str], found: list[Any]) -> dict[str, Any]:
    """Return adjusted mutual information, purity and the number of groups."""
    inside: dict[Any, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for true, group in zip(gold, found, strict=True):
        inside[group][true] += 1
    purity = sum(max(c.values()) for c in inside.values()) / len(gold)
    return {"ami": round(adjusted_mutual_info_score(gold, found), 3), "purity": round(purity, 3), "groups": len(inside)}


def namer(gold: dict[str, str]) -> Any:
    """Return the simulated model's hook: a group is what most of its texts are; equal names are one theme already."""
    starts = {t[:60]: label for t, label in gold.items()}

    def hook(messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        properties = (schema or {}).get("properties", {})
        if "groups" in properties:
            return {"groups": []}
        if "name" not in properties:
            return None
        members = messages[-1]["content"].split("<<<members\n")[1].split("\nmembers>>>")[0].split("\n\n")
        seen = collections.Counter(starts[m[:60]] for m in members if m[:60] in starts)
        return {"name": seen.most_common(1)[0][0], "description": ""}

    return hook


def by_themes(texts: list[str], gold: list[str], k: int | None, sample: int) -> dict[str, Any]:
    """Run ``themes`` through a simulated server; a row's group is its set of themes."""
    table = pa.table({"text": texts, "gold": gold})
    config = SimulationConfig(text="text", truths=(Truth("gold"),), hook=namer(dict(zip(texts, gold, strict=True))))
    with SimulatedServer(config, table.to_batches()) as server, tempfile.TemporaryDirectory() as state:
        source = rowsight.read(table.select(["text"]), session=Session(state=Path(state)))
        started = time.process_time()
        found = source.themes("{text}", k=k, min_share=0.0, sample=sample).run("sim", base_url=server.base_url)
        seconds = time.process_time() - started
        sets = [" | ".join(v) for v in found.to_arrow()["themes"].to_pylist()]
        return {**judged(gold, sets), "calls": server.stats()["requests"], "seconds": round(seconds, 1)}


def by_bertopic(python: str, texts: list[str], gold: list[str], vectors: Any) -> dict[str, Any]:
    """Run BERTopic in its own environment on the same vectors."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory) / "work.npz"
        np.savez(work, texts=np.array(texts), vectors=vectors)
        command = [python, str(HERE / "rivals" / "bertopic_topics.py"), str(work), str(len(set(gold)))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    return {
        f"BERTopic, {n}": {**judged(gold, r["topics"]), "seconds": round(r["seconds"], 1)} for n, r in found.items()
    }


def measured(name: str, rows: int, python: str | None) -> dict[str, Any]:
    """Measure one table."""
    texts, gold = rows_of(name, rows)
    classes = len(set(gold))
    started = time.process_time()
    space = Space.fit(texts, 0)
    vectors = space.features(texts)[1]
    placed = time.process_time() - started
    found: dict[str, Any] = {
        "rows": len(texts),
        "classes": classes,
        "embedding seconds": round(placed, 1),
        "systems": {},
    }
    even = np.ones(len(texts))
    for shown, k in (("gold", classes), ("chosen", None)):
        started = time.process_time()
        groups = cluster(vectors, even, k or chosen_count(vectors, MOST, 0), 0).owner.tolist()
        seconds = round(time.process_time() - started, 1)
        found["systems"][f"groups, k {shown}"] = {**judged(gold, groups), "seconds": seconds}
    found["systems"]["themes, k chosen"] = by_themes(texts, gold, None, 600)
    if python is not None:
        found["systems"] |= by_bertopic(python, texts, gold, vectors)
    return found


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    names = ["groups, k gold", "groups, k chosen", "BERTopic, default", "BERTopic, default, outliers placed"]
    names += ["BERTopic, gold", "BERTopic, gold, outliers placed", "themes, k chosen"]
    lines = [
        "| table | rows, classes | system | groups | AMI | purity | calls | CPU s |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in results.items():
        systems = {n: found["systems"][n] for n in names if n in found["systems"]}
        for place, (system, r) in enumerate(systems.items()):
            head = (name, f"{found['rows']:,}, {found['classes']}") if not place else ("", "")
            figures = (r["groups"], f"{r['ami']:.3f}", f"{r['purity']:.3f}", r.get("calls", 0), r["seconds"])
            lines.append("| " + " | ".join(map(str, (*head, system, *figures))) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure the tables asked for, keep the results, and write the page's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival", metavar="PYTHON", help="a Python that has bertopic")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--only", action="append", choices=list(SETS))
    parser.add_argument("--table", action="store_true", help="write the table of docs/themes.md from the results")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in () if given.table else (given.only or SETS):
        results[name] = measured(name, given.rows, given.rival)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name]["systems"]), flush=True)
    begin, end = "<!-- themes: begin -->", "<!-- themes: end -->"
    page = PAGE.read_text(encoding="utf-8")
    shown = table({n: results[n] for n in SETS if n in results})
    page = page[: page.index(begin) + len(begin)] + f"\n{shown}\n" + page[page.index(end) :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
