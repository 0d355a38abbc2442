"""CPU per call of the client, alone and behind the limits, beside a bare aiohttp loop to the same server.

    python benchmarks/client.py [--calls 20000] [--in-flight 64] [--rounds 3]

The server is a child process that answers everything at once. Times are CPU seconds of this process; the ratio to the
bare loop of the same round is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import aiohttp
import orjson

from rowsight.calls.client import ChatClient
from rowsight.calls.dispatch import Dispatch
from rowsight.calls.endpoints import Endpoint
from rowsight.calls.pool import Ceiling, Pool
from rowsight.calls.request import RequestTemplate

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "boolean"}},
    "required": ["answer"],
    "additionalProperties": False,
}
SYSTEM = "Is the message a complaint about delivery? Answer yes or no, as JSON."
BODY = orjson.dumps(
    {
        "id": "x",
        "model": "sim",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": '{"answer":true}'}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 80, "completion_tokens": 5, "total_tokens": 85},
    }
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

One = Callable[[int], Awaitable[object]]


class Server(asyncio.Protocol):
    def __init__(self) -> None:
        self.held = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self.held) < end + 4 + length:
                return
            self.held = self.held[end + 4 + length :]
            self.transport.write(ANSWER)


def serve(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def drain(one: One, calls: int, in_flight: int) -> float:
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await one(number)

    started = time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return (time.process_time() - started) / calls * 1e6


def row(number: int) -> str:
    return f"<text>\nMessage number {number}: my parcel still hasn't come, and nobody answers.\n</text>"


async def bare(url: str, calls: int, in_flight: int) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer k"}) as session:

        async def one(number: int) -> object:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row(number)}]
            body = {"model": "sim", "messages": messages, "max_tokens": 64, "temperature": 0.0}
            data = orjson.dumps(body)
            async with session.post(url, data=data, headers={"Content-Type": "application/json"}) as response:
                return orjson.loads(await response.read())["choices"][0]["message"]["content"]

        return await drain(one, calls, in_flight)


async def client(base_url: str, calls: int, in_flight: int, *, limits: bool) -> float:
    endpoint = Endpoint("local", base_url, "sim")
    template = RequestTemplate("sim", SYSTEM, SCHEMA)
    async with ChatClient({"OPENAI_API_KEY": "k"}) as transport:
        dispatch = Dispatch(Pool("sim", [endpoint], Ceiling(in_flight)), transport)

        async def alone(number: int) -> object:
            return await transport.send(endpoint, template.request(row(number)))

        async def limited(number: int) -> object:
            return await dispatch.ask(template.request(row(number)))

        return await drain(limited if limits else alone, calls, in_flight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    child.start()
    base_url = f"http://127.0.0.1:{ours.recv()}/v1"
    figures: dict[str, list[float]] = {"bare aiohttp": [], "client": [], "client and limits": []}
    for _ in range(options.rounds):
        size = options.calls, options.in_flight
        figures["bare aiohttp"].append(asyncio.run(bare(f"{base_url}/chat/completions", *size)))
        figures["client"].append(asyncio.run(client(base_url, *size, limits=False)))
        figures["client and limits"].append(asyncio.run(client(base_url, *size, limits=True)))
    child.terminate()
    base = figures["bare aiohttp"]
    for name, values in figures.items():
        ratio = statistics.median(v / b for v, b in zip(values, base, strict=True))
        print(f"{name:20} {statistics.median(values):8.1f} us CPU a call  {ratio:5.2f} x bare")


if __name__ == "__main__":
    main()
