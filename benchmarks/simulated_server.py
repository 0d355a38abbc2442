"""Throughput of the simulated server on one core, beside aiohttp's web server answering a fixed body.

    python benchmarks/simulated_server.py [--rows 600000] [--seconds 4]

The load generator is a process of its own that keeps ``--connections`` keep-alive connections busy with bare sockets; the
figure that counts is the server's CPU time a request. Index: seconds until it listens, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing as mp
import os
import random
import time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import uvloop

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.operators.filter import FILTER
from rowsight.plan.template import fence

ARXIV = Path(__file__).parents[2] / "shared" / "data" / "arxiv_titles.parquet"


def table(rows: int) -> pa.Table:
    """Return ``rows`` rows of text and truth: paper titles where the shared tables are, else random words."""
    if ARXIV.exists():
        found = pq.read_table(ARXIV, columns=["text", "is_cs"]).rename_columns(["text", "truth"])
        found = found.set_column(0, "text", found["text"].cast(pa.string()))
        again = found.slice(0, max(0, rows - len(found)))
        texts = pc.binary_join_element_wise(again["text"].cast(pa.string()), " (again)", "")
        return pa.concat_tables([found, pa.table({"text": texts, "truth": again["truth"]})]).slice(0, rows)
    draw = random.Random(1)
    words = [f"word{i}" for i in range(3000)]
    texts = [" ".join(draw.choices(words, k=10)) for _ in range(rows)]
    return pa.table({"text": texts, "truth": [draw.random() < 0.3 for _ in range(rows)]})


def bodies(data: pa.Table, style: str, count: int = 20_000) -> list[bytes]:
    """Return requests in Rowsight's own form (``fenced``) or as other clients write them (``plain``)."""
    question = FILTER.question("Is {text} about computer science?")
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": question.answer.schema}}
    texts = data["text"].take(pa.array(random.Random(0).sample(range(len(data)), min(count, len(data)))))
    found = []
    for text in texts.to_pylist():
        user = fence("text", text) if style == "fenced" else f"Claim: the title below is about CS.\nContext: {text}\n"
        messages = [{"role": "system", "content": question.system}, {"role": "user", "content": user}]
        found.append(orjson.dumps({"model": "sim", "messages": messages, "response_format": schema}))
    return found


def serve_rows(rows: int, pipe: Any) -> None:
    os.sched_setaffinity(0, {0})
    data = table(rows)
    started = time.perf_counter()
    server = SimulatedServer(SimulationConfig(truths=(Truth("truth"),)), data.to_batches())
    pipe.send(time.perf_counter() - started)

    async def main() -> None:
        async with server:
            await conversation(server.port, pipe)

    uvloop.run(main())


def serve_aiohttp(_rows: int, pipe: Any) -> None:
    os.sched_setaffinity(0, {0})
    from aiohttp import web

    reply = b"x" * 500

    async def answer(request: web.Request) -> web.Response:
        orjson.loads(await request.read())
        return web.Response(body=reply, content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(0.0)
        await conversation(runner.addresses[0][1], pipe)

    uvloop.run(main())


async def conversation(port: int, pipe: Any) -> None:
    """Say the port, then answer each question about CPU seconds until told to end."""
    pipe.send(port)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def talk() -> None:
        if pipe.recv() == "end":
            done.set()
        else:
            peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
            pipe.send((time.process_time(), int(peak) / 1024))

    loop.add_reader(pipe.fileno(), talk)
    await done.wait()
    loop.remove_reader(pipe.fileno())


class Client(asyncio.Protocol):
    """Sends one prepared request after the other on one connection and counts the replies."""

    def __init__(self, requests: list[bytes], place: int, counts: list[int]) -> None:
        self._requests, self._place, self._counts = requests, place, counts
        self._missing = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._place = (self._place + 1) % len(self._requests)
        self._transport.write(self._requests[self._place])

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, _, rest = data.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            self._missing = int(length) - len(rest)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._missing = 0
            self._counts[0] += 1
            self._next()


async def load(port: int, requests: list[bytes], seconds: float, connections: int) -> int:
    loop, counts = asyncio.get_running_loop(), [0]
    made = [
        await loop.create_connection(lambda i=i: Client(requests, i * 97 % len(requests), counts), "127.0.0.1", port)
        for i in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    return counts[0]


def measure(name: str, target: Any, requests: list[bytes], options: argparse.Namespace) -> dict[str, Any]:
    ours, theirs = mp.Pipe()
    process = mp.get_context("spawn").Process(target=target, args=(options.rows, theirs))
    process.start()
    index_seconds = ours.recv()
    port = ours.recv()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    packed = [head % (len(body), body) for body in requests]
    ours.send("cpu")
    before, _ = ours.recv()
    started = time.perf_counter()
    count = uvloop.run(load(port, packed, options.seconds, options.connections))
    wall = time.perf_counter() - started
    ours.send("cpu")
    after, peak = ours.recv()
    ours.send("end")
    process.join()
    cpu = (after - before) / count
    return {
        "server": name,
        "requests_per_cpu_second": round(1 / cpu),
        "cpu_us": round(cpu * 1e6, 1),
        "requests_per_wall_second": round(count / wall),
        "index_seconds": round(index_seconds, 2),
        "peak_mb": round(peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    data = table(options.rows)
    fenced, plain = bodies(data, "fenced"), bodies(data, "plain")
    cases = [
        ("rowsight, fenced rows", serve_rows, fenced),
        ("rowsight, rows found as substrings", serve_rows, plain),
        ("aiohttp.web, a fixed body", serve_aiohttp, fenced),
    ]
    for name, target, requests in cases:
        print(json.dumps(measure(name, target, requests, options)), flush=True)


if __name__ == "__main__":
    main()
