"""Time of a whole run beside the ideal, and CPU per row beside a bare aiohttp loop to the same server.

    python benchmarks/throughput.py [--rows 40000] [--in-flight 64 256] [--latency 200] [--skip-wall] [--rounds 3]

The server is `rowsight simulate` in a process of its own. First part: N rows at a fixed latency and a fixed number of
calls in flight, against the ideal N x latency / in flight and against a bare loop, which shows what the machine bears at
that moment; the run reads a file, keeps a ledger and writes a file. Second part: no latency; CPU seconds of this process
for a row, every part of the run included (reading, prompts, ledger's thread, writing), beside a bare loop that sends the
same bodies and reads the answers. Ratios within a round are what counts. Figures are kept in ``results/throughput.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

from chaos import Server, truth
from rowsight.operators.filter import FILTER
from rowsight.plan.template import fence
from rowsight.session import Session
from rowsight.surfaces.table import read

RESULTS = Path(__file__).resolve().parent / "results" / "throughput.json"
QUESTION = "Is {body} a complaint about delivery?"


def write_table(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps({"id": number, "body": text(number), "late": truth(number)}) + "\n")
    return path


def text(number: int) -> str:
    return f"Message {number}: the parcel {number * 7919 % 10007} has not come, and nobody answers my mails."


def run(table: Path, url: str, folder: Path, in_flight: int, *, ledger: bool = True) -> tuple[float, float]:
    """Return wall and CPU seconds of a run."""
    with tempfile.TemporaryDirectory(dir=folder) as state:
        asked = read(table, session=Session(state=Path(state), environment={})).filter(QUESTION, keep_all=True)
        wall, cpu = time.perf_counter(), time.process_time()
        out = Path(state) / "out.parquet"
        result = asked.run("sim", base_url=url, concurrency=in_flight, ledger=ledger, out=out)
        assert result.report.total("asked") == len(result)
        return time.perf_counter() - wall, time.process_time() - cpu


def bare(url: str, rows: int, in_flight: int) -> tuple[float, float]:
    """Return wall and CPU seconds of a loop that does nothing but ask."""
    question = FILTER.question(QUESTION)
    schema = {"name": "answer", "schema": question.answer.schema, "strict": True}

    async def main() -> tuple[float, float]:
        numbers = iter(range(rows))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def work() -> None:
                for number in numbers:
                    messages = [
                        {"role": "system", "content": question.system},
                        {"role": "user", "content": fence("body", text(number))},
                    ]
                    body = {"model": "sim", "messages": messages, "max_tokens": 2048, "temperature": 0.0}
                    body["response_format"] = {"type": "json_schema", "json_schema": schema}
                    headers = {"Content-Type": "application/json"}
                    async with session.post(
                        f"{url}/chat/completions", data=orjson.dumps(body), headers=headers
                    ) as reply:
                        said = orjson.loads(await reply.read())["choices"][0]["message"]["content"]
                        assert orjson.loads(said)["answer"] is truth(number)

            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(work() for _ in range(in_flight)))
            return time.perf_counter() - wall, time.process_time() - cpu

    return uvloop.run(main())


def wall_times(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Wall seconds of a run beside the ideal and beside the bare loop, round by round."""
    print(f"{'in flight':>10}{'rows':>10}{'ideal s':>10}{'bare s':>10}{'run s':>10}{'x ideal':>10}{'x bare':>10}")
    server, found = Server(folder / "table.jsonl", latency=options.latency), {}
    for in_flight in options.in_flight:
        ideal = options.rows * options.latency / 1000 / in_flight
        loops, walls = [], []
        for _ in range(options.wall_rounds):
            loops.append(bare(server.url, options.rows, in_flight)[0])
            walls.append(run(folder / "table.jsonl", server.url, folder, in_flight)[0])
            seconds = f"{ideal:>10.1f}{loops[-1]:>10.1f}{walls[-1]:>10.1f}"
            ratios = f"{walls[-1] / ideal:>10.3f}{walls[-1] / loops[-1]:>10.3f}"
            print(f"{in_flight:>10}{options.rows:>10,}{seconds}{ratios}", flush=True)
        given = {"rows": options.rows, "latency_ms": options.latency}
        found[str(in_flight)] = {**given, "ideal": ideal, "bare": loops, "run": walls}
    server.stop()
    return found


def cpu_times(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """CPU microseconds of a row, and how often that of the bare loop."""
    table = write_table(folder / "small.jsonl", options.cpu_rows)
    server = Server(table)
    figures: dict[str, list[float]] = {"bare aiohttp loop": [], "run without a ledger": [], "run with a ledger": []}
    for _ in range(options.rounds):
        size = 64
        figures["bare aiohttp loop"].append(bare(server.url, options.cpu_rows, size)[1])
        figures["run without a ledger"].append(run(table, server.url, folder, size, ledger=False)[1])
        figures["run with a ledger"].append(run(table, server.url, folder, size)[1])
    server.stop()
    base = figures["bare aiohttp loop"]
    print(f"{'':24}{'CPU us/row':>12}{'x bare':>10}   ({options.cpu_rows:,} rows, median of {options.rounds})")
    found = {}
    for name, seconds in figures.items():
        ratio = statistics.median(s / b for s, b in zip(seconds, base, strict=True))
        each = statistics.median(seconds) / options.cpu_rows * 1e6
        found[name] = {"microseconds": each, "x bare": ratio}
        print(f"{name:24}{each:>12.0f}{ratio:>10.2f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--latency", type=float, default=200.0, help="milliseconds")
    parser.add_argument("--cpu-rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wall-rounds", type=int, default=3, help="wall times taken at each number in flight")
    parser.add_argument("--skip-wall", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rowsight-throughput-") as folder:
        found = {"cpu": cpu_times(options, Path(folder))}
        if not options.skip_wall:
            write_table(Path(folder) / "table.jsonl", options.rows)
            found["wall"] = wall_times(options, Path(folder))
    found["load_average"] = round(os.getloadavg()[0], 1)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
