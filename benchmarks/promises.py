"""Print what Rowsight promises, twelve rows: what it means, the figure here, the best rival's, the command that measures it.

    python benchmarks/promises.py [--quick] [--zh] [--write]

Figures come from the results that the other benchmarks kept; those that take seconds are measured now (``--quick`` leaves
them out). A promise without a figure, or whose figure falls short, says so. ``--write`` puts the table into results/promises.md
and, in each README's language, between the lines ``<!-- promises: begin -->`` and ``<!-- promises: end -->``.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binom

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "rivals")]

import run as rivals  # noqa: E402 - the benchmarks are scripts, not a package

from chaos import Server  # noqa: E402
from measured_files import files_of  # noqa: E402

SECRET = "sk-promise-5b1f0c77"
QUESTION = "Is {body} a complaint about delivery?"
READMES = {"en": "README.md", "zh": "README.zh-CN.md"}
BEGIN, END = "<!-- promises: begin -->", "<!-- promises: end -->"
TEN_MILLION = 10_000_000
PACKAGES = {
    "lotus": "lotus",
    "docetl": "docetl",
    "curator": "bespokelabs",
    "daft": "daft",
    "palimpzest": "palimpzest",
    "thalamusdb": "tdb",
}
"""Where the code of each rival lies in its environment."""


@dataclass(frozen=True)
class Words:
    """The same words in English and in Chinese."""

    en: str
    zh: str

    def of(self, **figures: Any) -> Words:
        return Words(self.en.format(**figures), self.zh.format(**figures))

    def __add__(self, other: Words) -> Words:
        return Words(self.en + other.en, self.zh + other.zh)


def same(text: str) -> Words:
    return Words(text, text)


UNKNOWN = Words("not measured yet", "尚未测量")
NO_RIVAL = Words("no rival measured", "未测其他系统")
COMMA, SEMICOLON = Words(", ", "，"), Words("; ", "；")
SAID = {
    True: Words("kept", "已做到"),
    False: Words("**not kept yet**", "**尚未做到**"),
    None: Words("**not measured yet**", "**尚未测量**"),
}
HEAD = Words(
    "| promise | what it means here | here | best rival | | measured by |",
    "| 承诺 | 在这里的含义 | 本项目 | 最好的其他系统 | | 测量命令 |",
)


@dataclass(frozen=True)
class Promise:
    """``kept`` is None where nothing was measured."""

    name: Words
    meaning: Words
    figure: Words
    rival: Words
    command: str
    kept: bool | None

    def cells(self, language: str) -> list[str]:
        words = (self.name, self.meaning, self.figure, self.rival, SAID[self.kept])
        return [*(getattr(word, language) for word in words), f"`{self.command}`"]


class Results:
    """What the benchmarks kept."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.bench, self.rivals = self.load("bench.json"), self.load("rivals.json")
        self.accuracy, self.zones = self.load("accuracy_cost.json"), self.load("zones_cost.json")
        self.validity, self.scale = self.load("validity.json"), self.load("scale.json")

    def load(self, name: str) -> Any:
        path = HERE / "results" / name
        return json.loads(path.read_text()) if path.exists() else {}

    def rival_cases(self, case: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for system in rivals.RIVALS:
            if found := self.rivals.get(system, {}).get(case):
                yield rivals.NAMES[system], found

    def own(self, case: str, system: str = "rowsight") -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.rivals.get(system, {}).get(case)
        return found

    def cheapest(self, case: str) -> tuple[str, float] | None:
        """The rival with the least CPU per further row among those that answered every row."""
        done = [(n, c) for n, f in self.rival_cases(case) if f["right"] == f["rows"] and (c := rivals.further(f))]
        return min(done, key=lambda pair: pair[1], default=None)


def understanding(results: Results) -> Promise:
    meaning = Words(
        "personal data found without a model (share found, share right); themes beside gold classes (adjusted mutual information)",
        "不用模型找出的个人数据（召回率、精确率）；主题与标准类别的一致程度（调整互信息）",
    )
    pii, themes = results.load("pii.json"), results.load("themes.json")
    ours = found_share(pii.get("rowsight", {}).get("scores"), "")
    theirs = found_share(pii.get("presidio", {}).get("scores at 0.0"), "Presidio ")
    mine, (system, best) = mean_ami(themes, "themes, k chosen"), best_topics(themes)
    figure = ours + SEMICOLON + (same(f"{mine:.2f}") if mine else UNKNOWN)
    rival = theirs + SEMICOLON + (same(f"{system} {best:.2f}") if best else UNKNOWN)
    kept = mine >= best if pii and mine and best else None
    command = "python benchmarks/pii.py; python benchmarks/themes.py"
    return Promise(Words("understanding of data", "理解数据"), meaning, figure, rival, command, kept=kept)


def found_share(scores: Any, name: str) -> Words:
    if not scores:
        return UNKNOWN
    shares = [f"{100 * scores['all'][kind]:.1f}%" for kind in ("recall", "precision")]
    return Words(name + ", ".join(shares), name + "、".join(shares))


def mean_ami(themes: dict[str, Any], system: str) -> float | None:
    """Mean adjusted mutual information of a system over the tables."""
    found = [table["systems"][system]["ami"] for table in themes.values() if system in table["systems"]]
    return statistics.mean(found) if found else None


def best_topics(themes: dict[str, Any]) -> tuple[str, float | None]:
    """The setting of BERTopic with the highest mean."""
    names = {name for table in themes.values() for name in table["systems"] if name.startswith("BERTopic")}
    return max(((name, mean_ami(themes, name)) for name in names), key=lambda pair: pair[1] or 0, default=("", None))


def business(results: Results) -> Promise:
    meaning = Words(
        "rows that must be asked to filter 50,000 messages, proven right to precision and recall .9",
        "筛选 5 万条消息、证明精确率与召回率达 0.9 所需询问的行",
    )
    took = results.bench.get("certified", {}).get("filter 50000")
    pairs = [
        (mean_calls(results.zones, "ours", k), mean_calls(results.zones, "bargain", k)) for k in shared(results.zones)
    ]
    rival = UNKNOWN
    if pairs:
        ratio = geometric([b / a for a, b in pairs])
        rival = Words(
            "BARGAIN-PR: {ratio:.1f} x our calls, {tables} cases",
            "BARGAIN-PR：调用数为我们的 {ratio:.1f} 倍（{tables} 例）",
        ).of(ratio=ratio, tables=len(pairs))
    figure = same(f"{100 * took['asked'] / took['rows']:.1f}%") if took else UNKNOWN
    kept = took["asked"] < took["rows"] and took["certified"] if took else None
    name = Words("efficiency of business", "业务效率")
    return Promise(name, meaning, figure, rival, "make bench; make bench-zones", kept=kept)


def shared(zones: dict[str, Any]) -> list[str]:
    """Table and level of what both ours and BARGAIN ran."""
    ran = [{k.split("|", 1)[1].rsplit("|", 1)[0] for k in zones if k.startswith(f"{s}|")} for s in ("ours", "bargain")]
    return sorted(ran[0] & ran[1])


def mean_calls(zones: dict[str, Any], system: str, case: str) -> float:
    return statistics.mean(run["calls"] for key, run in zones.items() if key.startswith(f"{system}|{case}|"))


def geometric(ratios: list[float]) -> float:
    return math.exp(statistics.mean(math.log(ratio) for ratio in ratios))


def quality(results: Results) -> Promise:
    meaning = Words(
        "every row ends with the model's answer or a reason, also when 8% of the replies are faults",
        "每一行都得到模型的答案或失败原因，即使 8% 的回复出错",
    )
    own = results.own("best-0-faults")
    counts = Words(
        "{right:,} right, {wrong} wrong, {lost:,} lost of {rows:,}",
        "{rows:,} 行中 {right:,} 对、{wrong} 错、{lost:,} 缺",
    )
    figure = counts.of(**own) if own else UNKNOWN
    best = max(results.rival_cases("best-0-faults"), key=lambda pair: pair[1]["right"] / pair[1]["rows"], default=None)
    rival = Words(f"{best[0]}: ", f"{best[0]}：") + counts.of(**best[1]) if best else UNKNOWN
    kept = own["wrong"] == 0 and own["lost"] <= own["rows"] // 1000 if own else None
    name, command = Words("product quality", "产品质量"), "python benchmarks/rivals/run.py --cases best-0-faults"
    return Promise(name, meaning, figure, rival, command, kept=kept)


def cost(results: Results) -> Promise:
    meaning = Words(
        "tokens paid for a row that is asked: alone, and with ten short rows in a request",
        "每询问一行的 token 数：单独询问，以及每次请求十个短行",
    )
    own, ten = results.own("best-0"), results.own("best-0", "rowsight_10")
    least = min(((spent(f), name) for name, f in results.rival_cases("best-0") if f["right"]), default=None)
    figure = UNKNOWN
    if own:
        cached = own["cached_tokens"] / own["rows"]
        figure = Words("{own:.0f} ({cached:.0f} cached)", "{own:.0f}（缓存 {cached:.0f}）").of(
            own=spent(own), cached=cached
        )
        figure += COMMA + (same(f"{spent(ten):.0f}") if ten else UNKNOWN)
    if took := results.bench.get("certified", {}).get("filter 50000"):
        each = took["prompt_tokens"] / took["rows"]
        more = Words(
            "; {each:.0f} for each row of a certified table of {rows:,}",
            "；有保证的 {rows:,} 行的表平均每行 {each:.0f}",
        )
        figure += more.of(each=each, rows=took["rows"])
    rival = Words(f"{least[1]}: {least[0]:.0f}", f"{least[1]}：{least[0]:.0f}") if least else UNKNOWN
    kept = min(spent(own), spent(ten)) <= least[0] if own and ten and least else None
    name, command = Words("cost", "成本"), "python benchmarks/rivals/run.py --cases best-0"
    return Promise(name, meaning, figure, rival, command, kept=kept)


def spent(found: dict[str, Any]) -> float:
    return float(found["prompt_tokens"] + found["completion_tokens"]) / int(found["rows"])


def competitiveness(results: Results) -> Promise:
    meaning = Words(
        "CPU of each further row at most a quarter of the best rival's",
        "每多一行的 CPU 时间不超过最好的其他系统的四分之一",
    )
    own, least = results.own("best-0"), results.cheapest("best-0")
    mine = rivals.further(own) if own else None
    figure = same(f"{mine:.2f} ms") + started(own) if own and mine else UNKNOWN
    rival = UNKNOWN
    if least and mine:
        rival = Words("{name}: {ms:.2f} ms, {times:.1f} x", "{name}：{ms:.2f} ms，{times:.1f} 倍").of(
            name=least[0], ms=least[1], times=least[1] / mine
        )
    if whole := min(((f["cpu"], f, n) for n, f in results.rival_cases("best-0") if "cpu" in f), default=None):
        rival += Words(f"; {whole[2]}", f"；{whole[2]}") + started(whole[1])
    kept = mine <= least[1] / 4 if least and mine else None
    name, command = Words("competitiveness", "竞争力"), "python benchmarks/rivals/run.py --cases best-0"
    return Promise(name, meaning, figure, rival, command, kept=kept)


def started(found: dict[str, Any]) -> Words:
    each = found["cpu"] / found["rows"] * 1000
    words = Words(" (with starting, {rows:,} rows: {each:.2f} ms)", "（{rows:,} 行含启动：{each:.2f} ms）")
    return words.of(rows=found["rows"], each=each)


def efficiency(results: Results) -> Promise:
    name = Words("efficiency", "效率")
    meaning = Words(
        "import in 150 ms CPU, help in 300 ms, installed in 600 MB", "导入 CPU 时间 ≤150 ms，帮助 ≤300 ms，安装 ≤600 MB"
    )
    start, size = results.bench.get("start"), results.bench.get("size")
    sizes = [(c["installed"]["megabytes"], rivals.NAMES[s]) for s, c in results.rivals.items() if "installed" in c]
    least = min(sizes, default=None)
    rival = Words(f"{least[1]}: {least[0]} MB", f"{least[1]}：{least[0]} MB") if least else UNKNOWN
    if not (start and size):
        return Promise(name, meaning, UNKNOWN, rival, "make bench", kept=None)
    imported, helped, megabytes = start["import rowsight"], start["rowsight --help"], size["megabytes"]
    parts = (f"{1000 * imported:.0f} ms", f"{1000 * helped:.0f} ms", f"{megabytes} MB")
    kept = imported <= 0.15 and helped <= 0.3 and megabytes <= 600
    return Promise(name, meaning, Words(", ".join(parts), "、".join(parts)), rival, "make bench", kept=kept)


def accuracy(results: Results) -> Promise:
    meaning = Words(
        "certificates that turn out false, in attacks built to make them so (promised: at most 5%)",
        "在专门设计的攻击下失效的证书比例（承诺不超过 5%）",
    )
    runs = {engine: [r for r in results.validity or () if r["engine"] == engine] for engine in ("rowsight", "bargain")}
    said = {engine: false_ones(rows) for engine, rows in runs.items()}
    # An attack counts against the promise when so many failures have a chance below one in a thousand at 5%.
    kept = (
        all(binom.sf(r["failures"] - 1, r["runs"], 0.05) >= 0.001 for r in runs["rowsight"])
        if runs["rowsight"]
        else None
    )
    rival = Words("BARGAIN: ", "BARGAIN：") + said["bargain"]
    return Promise(Words("accuracy", "准确性"), meaning, said["rowsight"], rival, "make validity", kept=kept)


def false_ones(rows: list[dict[str, Any]]) -> Words:
    if not rows:
        return UNKNOWN
    failures, runs = sum(r["failures"] for r in rows), sum(r["runs"] for r in rows)
    worst = max(rows, key=lambda r: r["failures"] / r["runs"])
    words = Words(
        "{share:.1f}% of {runs:,} runs, worst attack {failures} of {times}",
        "{runs:,} 次中 {share:.1f}%，最强的攻击 {times} 次中 {failures} 次",
    )
    return words.of(share=100 * failures / runs, runs=runs, failures=worst["failures"], times=worst["runs"])


def reliability(results: Results) -> Promise:
    name = Words("reliability", "可靠性")
    meaning = Words(
        "killed half-way and started again: calls that are paid twice (at most those in flight, 256); rows lost",
        "中途被杀后重新开始：重复付费的调用（不超过当时在途的 256 个）；丢失的行",
    )
    again = results.bench.get("resume")
    words = Words(
        "{repaid_prompts} of {requests_before:,}; {failed} lost",
        "{requests_before:,} 次中 {repaid_prompts} 次；丢失 {failed} 行",
    )
    figure = words.of(**again) if again else UNKNOWN
    rival = UNKNOWN
    if done := [
        (f["repaid_prompts"] / f["requests_before"], n, f) for n, f in results.rival_cases("resume") if "wall" in f
    ]:
        _, system, found = min(done)
        rival = Words(f"{system}: ", f"{system}：") + words.of(**found, failed=found["lost"])
    kept = again["failed"] == 0 and again["repaid_prompts"] <= 256 if again else None
    return Promise(name, meaning, figure, rival, "make bench; make chaos", kept=kept)


def security(results: Results) -> Promise:
    name = Words("security", "安全")
    meaning = Words(
        "files left by a run that hold the API key; files that other users can read",
        "一次运行留下的含 API 密钥的文件；其他用户可读的文件",
    )
    words = Words("{with_key} and {readable} of {files}", "{files} 个文件中 {with_key} 个和 {readable} 个")
    left = [
        (f["left"]["with_key"], f["left"]["readable"], n, f["left"])
        for n, f in results.rival_cases("best-0")
        if "left" in f
    ]
    best = min(left, key=lambda found: found[:2], default=None)
    rival = Words(f"{best[2]}: ", f"{best[2]}：") + words.of(**best[3]) if best else UNKNOWN
    if results.quick:
        return Promise(name, meaning, UNKNOWN, rival, "make promises", kept=None)
    found = key_in_files()
    kept = not found["with_key"] and not found["readable"]
    return Promise(name, meaning, words.of(**found), rival, "make promises", kept=kept)


def key_in_files() -> dict[str, int]:
    """Ask 200 rows with a key; count the state's files that hold it, and those that others than the owner can read."""
    with tempfile.TemporaryDirectory(prefix="rowsight-promises-") as folder:
        table, state = Path(folder, "table.jsonl"), Path(folder, "state")
        rows = ({"id": n, "body": f"Message {n}: it has not come.", "late": n % 3 == 0} for n in range(200))
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
        server = Server(table)
        try:
            main = "from rowsight.surfaces.cli import main; main()"
            words = ["filter", table, QUESTION, "--model", "sim", "--base-url", server.url, "--state", state, "--json"]
            environment = {**os.environ, "OPENAI_API_KEY": SECRET}
            subprocess.run([sys.executable, "-c", main, *words], check=True, env=environment, capture_output=True)
        finally:
            server.stop()
        return files_of(state, SECRET)


def scalability(results: Results) -> Promise:
    meaning = Words(
        "ten million rows certified in 2 GB and 40 CPU minutes; peak memory by rows",
        "在 2 GB 内存、40 分钟 CPU 内认证一千万行；各行数的内存峰值",
    )
    cases = [c for n, c in results.bench.get("certified", {}).items() if n.startswith("filter")]
    sizes = [(c["rows"], f"{c['rows']:,}: {c['peak_mb']:.0f} MB") for c in cases]
    large = next((c for c in measured_runs(results.scale) if c["rows"] >= TEN_MILLION), None)
    if large:
        sizes.append((large["rows"], f"{large['rows']:,}: {large['peak_mb']:.0f} MB, {large['cpu'] / 60:.0f} min"))
    parts = [said for _, said in sorted(sizes)]
    figure = Words("; ".join(parts), "；".join(parts)) if parts else UNKNOWN
    if not large:
        figure += Words(f"; {TEN_MILLION:,}: ", f"；{TEN_MILLION:,}：") + UNKNOWN
    kept = large["peak_mb"] <= 2000 and large["cpu"] <= 40 * 60 if large else None
    command = "make bench; python benchmarks/scale.py"
    return Promise(Words("scalability", "可扩展性"), meaning, figure, NO_RIVAL, command, kept=kept)


def measured_runs(found: Any) -> Iterator[dict[str, Any]]:
    """Every run in a result, however deep: what has rows, CPU seconds and peak memory."""
    if isinstance(found, dict):
        if {"rows", "cpu", "peak_mb"} <= set(found):
            yield found
        found = list(found.values())
    if isinstance(found, list):
        for part in found:
            yield from measured_runs(part)


def maintainability(_: Results) -> Promise:
    meaning = Words("lines of a function: median, longest", "函数行数：中位数、最长")
    lengths = function_lengths(HERE.parent / "src" / "rowsight")
    best = min(
        ((statistics.median(found), max(found), rivals.NAMES[name]) for name, found in rival_lengths()), default=None
    )
    rival = Words(f"{best[2]}: {best[0]:.0f}, {best[1]}", f"{best[2]}：{best[0]:.0f}、{best[1]}") if best else UNKNOWN
    median, longest = statistics.median(lengths), max(lengths)
    kept = median < 10 and longest <= 60
    name, figure = Words("maintainability", "可维护性"), Words(f"{median:.0f}, {longest}", f"{median:.0f}、{longest}")
    return Promise(name, meaning, figure, rival, "make promises; make lint", kept=kept)


def rival_lengths() -> Iterator[tuple[str, list[int]]]:
    for system, package in PACKAGES.items():
        folder = next((rivals.ENVIRONMENTS / system).glob(f"lib/python3*/site-packages/{package}"), None)
        if folder is not None:
            yield system, function_lengths(folder)


def function_lengths(folder: Path) -> list[int]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    return [(n.end_lineno or n.lineno) - n.lineno + 1 for tree in trees for n in ast.walk(tree) if isinstance(n, kinds)]


def availability(results: Results) -> Promise:
    name = Words("availability", "可用性")
    meaning = Words(
        "one of two servers dies during a run: rows lost, output as undisturbed",
        "两台服务器之一在运行中宕机：丢失的行，输出与无故障时相同",
    )
    command = "python benchmarks/chaos.py --quick --only endpoint_death"
    if results.quick:
        return Promise(name, meaning, UNKNOWN, NO_RIVAL, command, kept=None)
    with tempfile.TemporaryDirectory(prefix="rowsight-promises-") as folder:
        told = Path(folder, "verdicts.json")
        subprocess.run(
            [sys.executable, *command.split()[1:], "--json", told], check=False, capture_output=True, cwd=HERE.parent
        )
        if not told.exists():
            return Promise(name, meaning, UNKNOWN, NO_RIVAL, command, kept=None)
        verdict = json.loads(told.read_text())[0]
    lost, rows = verdict["missing"] + verdict["failed"], verdict["rows"]
    figure = Words("{lost} of {rows:,}", "{rows:,} 行中 {lost} 行").of(lost=lost, rows=rows) + COMMA
    figure += Words("the same bytes", "逐字节相同") if verdict["bytes"] else Words("other bytes", "字节不同")
    return Promise(name, meaning, figure, NO_RIVAL, command, kept=bool(verdict["kept"]))


PROMISES: tuple[Callable[[Results], Promise], ...] = (
    *(understanding, business, quality, cost, competitiveness, efficiency),
    *(accuracy, reliability, security, scalability, maintainability, availability),
)


def table(promises: list[Promise], language: str) -> str:
    lines = [getattr(HEAD, language), "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(promise.cells(language))} |" for promise in promises), ""])


def put_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a page; a page without them is left as it is."""
    page = path.read_text(encoding="utf-8")
    found = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}{END}", page, flags=re.DOTALL)
    path.write_text(found, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what is kept; measure nothing now")
    parser.add_argument("--zh", action="store_true", help="print the table in Chinese")
    parser.add_argument("--write", action="store_true", help="write it into results/promises.md and both READMEs")
    options = parser.parse_args()
    results = Results(quick=options.quick)
    promises = [promise(results) for promise in PROMISES]
    if options.write:
        (HERE / "results" / "promises.md").write_text(table(promises, "en"), encoding="utf-8")
        for language, name in READMES.items():
            put_between_markers(HERE.parent / name, table(promises, language))
    print(table(promises, "zh" if options.zh else "en"))


if __name__ == "__main__":
    main()
