"""The simulated server over real HTTP: answers, faults, limits, counts, and the ways it is started and ended."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pyarrow.parquet as pq
import pytest

from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth, load_hook
from rowsight.core.errors import InputError
from rowsight.operators.filter import FILTER
from rowsight.plan.schema import Bool, Label
from rowsight.plan.template import fence

SHARED = Path(__file__).parents[3] / "shared" / "data"
N = 200
ROWS: dict[str, list[Any]] = {
    "text": [f"message number {i} ends here" for i in range(N)],
    "truth": [i % 3 == 0 for i in range(N)],
    "topic": [("courier", "refund", "other")[i % 3] for i in range(N)],
}
QUESTION = FILTER.question("Is {text} spam?")


def request(text: str, schema: dict[str, Any] | None = QUESTION.answer.schema, **extra: Any) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": QUESTION.system},
        {"role": "user", "content": fence("text", text)},
    ]
    body: dict[str, Any] = {"model": "any-model", "messages": messages, **extra}
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    return body


class Client:
    def __init__(self, session: aiohttp.ClientSession, server: SimulatedServer) -> None:
        self.session, self.server = session, server

    async def ask(self, body: dict[str, Any], **options: Any) -> tuple[int, Any]:
        async with self.session.post(f"{self.server.base_url}/chat/completions", json=body, **options) as reply:
            raw = await reply.read()
            with contextlib.suppress(ValueError):
                return reply.status, json.loads(raw)
            return reply.status, raw

    async def content(self, body: dict[str, Any]) -> Any:
        status, reply = await self.ask(body)
        assert status == 200, reply
        return reply["choices"][0]["message"]["content"]

    async def get(self, path: str) -> Any:
        async with self.session.get(self.server.base_url.removesuffix("/v1") + path) as reply:
            return await reply.json()


@contextlib.asynccontextmanager
async def serving(rows: dict[str, list[Any]] = ROWS, **options: Any) -> AsyncIterator[Client]:
    server = SimulatedServer(SimulationConfig(**options), rows)
    async with server, aiohttp.ClientSession() as session:
        yield Client(session, server)


async def test_rows_are_answered_and_counted() -> None:
    async with serving() as client:
        for i in range(10):
            answer = await client.content(request(ROWS["text"][i]))
            assert json.loads(answer) == {"answer": ROWS["truth"][i]}
        await client.ask(request(ROWS["text"][3]))
        await client.get("/v1/models")
        stats = await client.get("/stats")
        assert stats["requests"] == stats["answered"] == 11
        assert stats["repeated_prompts"] == stats["repaid_prompts"] == 1
        assert stats["peak_in_flight"] == 1
        assert stats["in_flight"] == 0
        assert (await client.get("/v1/models"))["data"][0]["id"] == "sim"
        async with client.session.post(client.server.base_url.removesuffix("/v1") + "/reset") as reply:
            assert reply.status == 200
        assert (await client.get("/stats"))["requests"] == 0


async def test_an_answer_has_the_shape_of_openais() -> None:
    async with serving() as client:
        _, first = await client.ask(request(ROWS["text"][0], logprobs=True, top_logprobs=2))
        _, second = await client.ask(request(ROWS["text"][1]))
    assert first["model"] == "any-model"
    assert first["object"] == "chat.completion"
    assert first["system_fingerprint"] == "fp_simulated"
    choice = first["choices"][0]
    assert choice["finish_reason"] == "stop"
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) <= 2 for token in tokens)
    usage = second["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert 64 <= usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]
    assert second["choices"][0]["logprobs"] is None


async def test_other_clients_prompts_are_answered() -> None:
    async with serving() as client:
        text = ROWS["text"][3]
        plain = {
            "model": "m",
            "messages": [{"role": "user", "content": f"Claim: is spam. Context: {text}. True or False?"}],
        }
        assert await client.content(plain) == "True"
        schema = {"type": "object", "properties": {"why": {"type": "string"}, "spam": {"type": "boolean"}}}
        tool = {"type": "function", "function": {"name": "send", "parameters": schema}}
        _, reply = await client.ask({**plain, "tools": [tool]})
        call = reply["choices"][0]["message"]["tool_calls"][0]["function"]
        assert call["name"] == "send"
        assert json.loads(call["arguments"]) == {"why": "", "spam": True}
        assert reply["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_truth_is_chosen_by_the_whole_prompt() -> None:
    async with serving(truths=(Truth("topic", "(?i)is it about"), Truth("truth", "spam"))) as client:
        body = request(ROWS["text"][1], Label(("courier", "refund", "other")).schema)
        body["messages"][0]["content"] = "What is it about?"
        assert json.loads(await client.content(body)) == {"answer": "refund"}
        assert json.loads(await client.content(request(ROWS["text"][1]))) == {"answer": False}
        body["messages"][0]["content"] = "Something else"
        assert await client.content(body) is None


async def test_an_unknown_row_is_refused_and_counted() -> None:
    async with serving() as client:
        _, reply = await client.ask(request("never heard of"))
        assert reply["choices"][0]["message"]["content"] is None
        assert reply["choices"][0]["message"]["refusal"]
        assert client.server.stats()["unmatched"] == 1
        assert client.server.stats()["answered"] == 0


async def test_a_hook_says_what_a_column_cant() -> None:
    def hook(messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        text = messages[-1]["content"]
        if "boom" in text:
            raise KeyError("boom")
        return None if "number 3 " in text else len(text) > 1000

    async with serving(hook=hook) as client:
        assert json.loads(await client.content(request("anything"))) == {"answer": False}
        assert json.loads(await client.content(request(ROWS["text"][3]))) == {"answer": True}
        status, reply = await client.ask(request("boom"))
        assert status == 500
        assert "KeyError" in reply["error"]["message"]
    assert load_hook("json:dumps") is json.dumps
    for bad in ("json", "no_such_module_here:f", "json:dump_s"):
        with pytest.raises(InputError):
            load_hook(bad)


async def wrong_rows(client: Client, count: int = N) -> list[int]:
    answers = [json.loads(await client.content(request(text)))["answer"] for text in ROWS["text"][:count]]
    return [i for i, answer in enumerate(answers) if answer != ROWS["truth"][i]]


async def test_noise_is_fixed_per_row_or_fresh_per_call() -> None:
    async with serving(noise=0.2) as client:
        first = await wrong_rows(client)
        assert 15 <= len(first) <= 65
        assert await wrong_rows(client) == first
        assert client.server.stats()["wrong"] == 2 * len(first)
    async with serving(noise=0.2) as again:
        assert await wrong_rows(again) == first
    async with serving(noise=0.2, seed=1) as other:
        assert await wrong_rows(other) != first
    async with serving(noise=0.2, noise_mode="call") as fresh:
        assert await wrong_rows(fresh) != await wrong_rows(fresh)


async def test_noisy_rows_sound_unsure() -> None:
    async with serving(noise=0.2) as client:
        surest: dict[bool, list[float]] = {True: [], False: []}
        for i, text in enumerate(ROWS["text"]):
            _, reply = await client.ask(request(text, logprobs=True))
            choice = reply["choices"][0]
            right = json.loads(choice["message"]["content"])["answer"] == ROWS["truth"][i]
            surest[right].append(min(token["logprob"] for token in choice["logprobs"]["content"]))
    assert np.mean(surest[False]) < np.mean(surest[True]) - 0.2


async def test_the_model_drifts() -> None:
    async with serving(drift_after=N, drift_noise=0.3, drift_fingerprint=True) as client:
        assert await wrong_rows(client) == []
        assert 30 <= len(await wrong_rows(client)) <= 95
        _, reply = await client.ask(request(ROWS["text"][0]))
        assert reply["system_fingerprint"] == "fp_simulated_2"


async def outcome(client: Client, text: str) -> str:
    try:
        status, reply = await client.ask(request(text), timeout=aiohttp.ClientTimeout(total=0.2))
    except TimeoutError:
        return "hang"
    except aiohttp.ClientConnectionError:
        return "drop"
    return str(status) if status != 200 else said(reply)


def said(reply: Any) -> str:
    if isinstance(reply, bytes):
        return "malformed"
    message = reply["choices"][0]["message"]
    if message["refusal"]:
        return "refusal"
    try:
        return "right" if isinstance(json.loads(message["content"])["answer"], bool) else "malformed"
    except (ValueError, KeyError):
        return "malformed"


async def in_flight(client: Client, count: int) -> None:
    async with asyncio.timeout(5):
        while client.server.stats()["in_flight"] != count:  # noqa: ASYNC110 - the server knows no event of ours
            await asyncio.sleep(0.01)


async def test_faults_come_by_rate_and_a_retry_can_succeed() -> None:
    rates = {
        "rate_429": 0.2,
        "rate_500": 0.1,
        "rate_drop": 0.1,
        "rate_hang": 0.02,
        "rate_malformed": 0.1,
        "rate_refusal": 0.1,
    }
    async with serving(**rates, seed=3) as client:
        seen = Counter([await outcome(client, text) for text in ROWS["text"]])
        stats = client.server.stats()
        assert stats["faults"] == {name: seen[name] for name in seen if name != "right"}
        assert stats["answered"] == seen["right"]
        assert set(seen) == {"429", "500", "drop", "hang", "malformed", "refusal", "right"}
        assert 20 <= seen["429"] <= 60
        assert stats["in_flight"] == 0
        text = ROWS["text"][0]
        assert "right" in [await outcome(client, text) for _ in range(20)]
        before = seen
        client.server.reset()
        assert Counter([await outcome(client, text) for text in ROWS["text"]]) == before


async def test_plain_text_is_malformed_as_a_broken_body() -> None:
    async with serving(rate_malformed=1.0) as client:
        for text in ROWS["text"][:5]:
            _, reply = await client.ask(request(text, None))
            assert isinstance(reply, bytes) or "Yes" not in str(reply)


async def test_429_carries_retry_after() -> None:
    async with serving(rate_429=1.0, retry_after=0.5) as client:
        url = f"{client.server.base_url}/chat/completions"
        async with client.session.post(url, json=request("x")) as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (429, "0.5")


async def test_latency_concurrency_and_capacity() -> None:
    bodies = [request(text) for text in ROWS["text"][:20]]
    async with serving(latency_ms=60, max_concurrency=12) as client:
        started = time.perf_counter()
        statuses = Counter([status for status, _ in await asyncio.gather(*map(client.ask, bodies))])
        assert time.perf_counter() - started >= 0.06
        assert statuses == {200: 12, 429: 8}
        stats = client.server.stats()
        assert stats["faults"] == {"over_concurrency": 8}
        assert 13 <= stats["peak_in_flight"] <= 20
    async with serving(latency_ms=30, capacity=5) as client:
        started = time.perf_counter()
        statuses = Counter([status for status, _ in await asyncio.gather(*map(client.ask, bodies))])
        assert statuses == {200: 20}
        assert time.perf_counter() - started >= 0.12
    async with serving(latency_ms=5, latency_sigma=1.0) as client:
        assert len({client.server.model._fate.next_delay() for _ in range(10)}) == 10


async def test_a_client_that_leaves_is_counted_out() -> None:
    async with serving(latency_ms=500, capacity=1) as client:
        calls = [asyncio.create_task(client.ask(request(text))) for text in ROWS["text"][:3]]
        await in_flight(client, 3)
        for call in calls:
            call.cancel()
        await in_flight(client, 0)
        assert client.server.stats()["abandoned"] == 3


@pytest.mark.parametrize(
    ("options", "extra", "status", "words"),
    [
        ({"reject_json_schema": True}, {}, 400, "response_format"),
        ({"reject_max_tokens": True}, {"max_tokens": 5}, 400, "max_completion_tokens"),
        ({"reject_temperature": True}, {"temperature": 0}, 400, "temperature"),
        ({"reject_logprobs": True}, {"logprobs": True}, 400, "logprobs"),
        ({"unknown_model": True}, {}, 404, "model_not_found"),
        ({"require_key": "k"}, {}, 401, "invalid_api_key"),
        ({"window": 20}, {}, 400, "context_length_exceeded"),
        ({}, {"stream": True}, 400, "Streaming"),
    ],
)
async def test_what_a_server_may_not_bear(
    options: dict[str, Any], extra: dict[str, Any], status: int, words: str
) -> None:
    async with serving(**options) as client:
        got, reply = await client.ask(request(ROWS["text"][0], **extra))
        assert (got, words in json.dumps(reply)) == (status, True)
        assert client.server.stats()["rejected"] == 1
        assert client.server.stats()["requests"] == 1


async def test_a_right_key_and_a_known_model_pass() -> None:
    async with serving(require_key="k", unknown_model=True) as client:
        body = {**request(ROWS["text"][0]), "model": "sim"}
        status, _ = await client.ask(body, headers={"Authorization": "Bearer k"})
        assert status == 200


async def test_a_model_that_thinks_spends_its_tokens() -> None:
    async with serving(think=500) as client:
        _, reply = await client.ask(request(ROWS["text"][0], max_tokens=100))
        assert reply["choices"][0]["message"]["content"] == ""
        assert reply["choices"][0]["finish_reason"] == "length"
        assert reply["usage"]["completion_tokens"] == 100
        _, reply = await client.ask(request(ROWS["text"][0], max_completion_tokens=1000))
        assert json.loads(reply["choices"][0]["message"]["content"]) == {"answer": True}
        assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 500


async def test_bad_requests() -> None:
    async with serving() as client:
        for body in ({}, {"model": "m"}, {"model": "m", "messages": []}, {"model": "m", "messages": ["x"]}):
            assert (await client.ask(body))[0] == 400
        async with client.session.post(f"{client.server.base_url}/chat/completions", data=b"{oops") as reply:
            assert reply.status == 400
        async with client.session.get(f"{client.server.base_url}/nothing") as reply:
            assert reply.status == 404


async def raw(port: int, sent: bytes, replies: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    found = b""
    while found.count(b"HTTP/1.1 200") < replies or not found.endswith(b"}"):
        found += await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    await writer.wait_closed()
    return found


@pytest.mark.parametrize("latency", [0, 5])
async def test_pipelined_and_chunked_requests_are_answered_in_order(latency: int) -> None:
    async with serving(latency_ms=latency) as client:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
        bodies = [json.dumps({**request(ROWS["text"][i]), "model": f"m{i}"}).encode() for i in range(40)]
        plain = [head + b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies[:-1]]
        half = len(bodies[-1]) // 2
        pieces = (bodies[-1][:half], bodies[-1][half:], b"")
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
        found = await raw(client.server.port, b"".join(plain) + chunked, 40)
        places = [found.index(b'"model":"m%d"' % i) for i in range(40)]
        assert places == sorted(places)


async def test_embeddings_of_similar_texts_are_similar() -> None:
    texts = [
        "my parcel never came",
        "my parcel never came!",
        "the weather is fine in Rome",
        "包裹没有送到",
        "包裹还没有送到",
    ]
    async with serving() as client:
        url = f"{client.server.base_url}/embeddings"
        async with client.session.post(url, json={"model": "e", "input": texts}) as reply:
            data = (await reply.json())["data"]
        async with client.session.post(
            url, json={"model": "e", "input": texts[0], "encoding_format": "base64"}
        ) as reply:
            packed = (await reply.json())["data"][0]["embedding"]
        async with client.session.post(url, json={"model": "e", "input": [1]}) as reply:
            assert reply.status == 400
        stats = client.server.stats()
        assert (stats["requests"], stats["embeddings"]) == (0, 3)
    vectors = np.array([entry["embedding"] for entry in data])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), vectors[0])
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.8
    assert alike[0, 2] < 0.3
    assert alike[3, 4] > 0.5 > alike[3, 0]


def test_a_server_in_a_thread_can_be_restarted_on_its_port() -> None:
    server = SimulatedServer(SimulationConfig(), ROWS)
    with server:
        port = server.port
        with pytest.raises(InputError, match="try port 0"):
            SimulatedServer(SimulationConfig(port=port), ROWS).start()
    with server:
        assert server.port == port


@pytest.mark.parametrize("bad", [{"noise": 2}, {"rate_500": 0.6, "rate_429": 0.6}, {"latency_ms": -1}, {"capacity": 0}])
def test_a_configuration_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        SimulationConfig(**bad)
    with pytest.raises(InputError, match="no regular expression"):
        Truth("a", "(")


SCRIPT = """
import sys
from rowsight.calls.simulated import SimulationConfig, serve
serve(SimulationConfig(latency_ms=60000), {"text": ["a"], "truth": [True]}, lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_of_its_own_ends_within_two_seconds(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, env=os.environ) as process:  # noqa: ASYNC220 - starting one blocks for no time that matters
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        async with aiohttp.ClientSession() as session:
            call = asyncio.create_task(session.post(f"{url}/chat/completions", json=request("a")))
            await asyncio.sleep(0.1)
            started = time.perf_counter()
            process.send_signal(number)
            assert process.wait(10) == 0
            assert time.perf_counter() - started < 2
            with pytest.raises(aiohttp.ClientError):
                await call


@pytest.mark.skipif(not SHARED.exists(), reason="the shared tables are absent")
@pytest.mark.parametrize(("name", "column"), [("sms_spam", "is_spam"), ("hotel_reviews_zh", "is_positive")])
async def test_real_tables_are_answered_exactly(name: str, column: str) -> None:
    table = pq.read_table(SHARED / f"{name}.parquet").slice(0, 800)
    server = SimulatedServer(SimulationConfig(truths=(Truth(column),)), table.to_batches())
    majority: dict[str, Counter[bool]] = {}
    for text, truth in zip(table["text"].to_pylist(), table[column].to_pylist(), strict=True):
        majority.setdefault(text, Counter())[truth] += 1
    async with server, aiohttp.ClientSession() as session:
        client = Client(session, server)
        for i, (text, votes) in enumerate(majority.items()):
            body = request(text, Bool().schema)
            if i % 2:
                body["messages"] = [{"role": "user", "content": f"Question: yes or no?\n\n{text}\n\nAnswer:"}]
            assert json.loads(await client.content(body)) == {"answer": votes.most_common(1)[0][0]}
    assert server.stats()["repeated_prompts"] == 0


async def test_a_conversation_that_goes_on_is_about_the_row_above() -> None:
    body = request(ROWS["text"][3])
    body["messages"] += [{"role": "assistant", "content": "hm"}, {"role": "user", "content": "That is not JSON."}]
    async with serving() as client:
        assert await client.content(body) == '{"answer":true}'
