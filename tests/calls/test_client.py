from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from scripted_server import Scripted, completion, refusal, serving

from rowsight.calls.classify import failure_of, retry_after
from rowsight.calls.client import ChatClient, chat_url
from rowsight.calls.dispatch import Dispatch
from rowsight.calls.endpoints import Endpoint
from rowsight.calls.pool import Ceiling, Pool
from rowsight.calls.reply import Reply, SendFailure
from rowsight.calls.request import Failure, Request, RequestTemplate, Sampling, Usage
from rowsight.calls.retry import RetryPolicy
from rowsight.core.errors import EndpointError

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "boolean"}},
    "required": ["answer"],
    "additionalProperties": False,
}
KEY = "sk-planted-0123456789"
ENVIRONMENT = {"OPENAI_API_KEY": KEY}
TEMPLATE = RequestTemplate("tiny", "Is it?", SCHEMA, Sampling(temperature=0.0, seed=7, logprobs=True))
QUICK = RetryPolicy(base=0.01, longest=0.05)


def request(user: str = "row") -> Request:
    return TEMPLATE.request(user)


def dispatch_of(client: ChatClient, *endpoints: Endpoint, policy: RetryPolicy = QUICK) -> Dispatch:
    return Dispatch(Pool("tiny", endpoints, Ceiling(64)), client, policy)


async def once(script: Callable[..., object], **more: object) -> Reply | SendFailure:
    async with serving(script) as server, ChatClient(ENVIRONMENT) as client:
        return await client.send(Endpoint("a", server.url, "tiny", **more), request())


async def test_a_reply_and_the_request_that_brought_it():
    async with serving(lambda *_: completion()) as server, ChatClient(ENVIRONMENT) as client:
        endpoint = Endpoint("a", server.url, "tiny", headers={"X-Team": "${TEAM}data"})
        sent = await client.send(endpoint, request('say "hi"\n\u4f60\u597d'))
        assert sent == Reply('{"answer": true}', "tiny-1", Usage(11, 3, 4), "stop", "fp", None)
        body = server.bodies[0]
        assert body == {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Is it?"},
                {"role": "user", "content": 'say "hi"\n\u4f60\u597d'},
            ],
            "max_tokens": 1024,
            "temperature": 0.0,
            "seed": 7,
            "logprobs": True,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
        }
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert server.headers[0]["X-Team"] == "data"
        repaired = replace(request(), repair=("maybe", "not JSON"))
        await client.send(endpoint, repaired)
        roles = [m["role"] for m in server.bodies[1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
        assert "not JSON" in server.bodies[1]["messages"][3]["content"]


def _openai_reasoning(s: Scripted, body: dict) -> web.Response:
    if "max_tokens" in body:
        return refusal(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            code="unsupported_parameter",
            param="max_tokens",
        )
    if "temperature" in body:
        return refusal(400, "Unsupported value: 'temperature' does not support 0 with this model.", param="temperature")
    if "logprobs" in body:
        return refusal(400, "'logprobs' is not supported with this model.", param="logprobs")
    return completion()


def _strict_fields(s: Scripted, body: dict) -> web.Response:
    for name in ("seed", "logprobs"):
        if name in body:
            detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
            return web.json_response({"detail": detail}, status=422)
    if body.get("response_format", {}).get("type") == "json_schema":
        return refusal(422, "response_format.type must be one of 'text', 'json_object'")
    return completion()


def _no_structure(s: Scripted, body: dict) -> web.Response:
    return refusal(500, "Internal Server Error") if "response_format" in body else completion()


@pytest.mark.parametrize(
    ("script", "structure", "absent", "asked_for_nothing"),
    [
        (_openai_reasoning, "json_schema", {"max_tokens", "temperature", "logprobs"}, 3),
        (_strict_fields, "json_object", {"seed", "logprobs"}, 3),
        (_no_structure, "text", {"response_format"}, 4),
    ],
)
async def test_what_a_server_does_not_bear_is_learnt_once(script, structure, absent, asked_for_nothing):
    async with serving(script) as server, ChatClient(ENVIRONMENT) as client:
        endpoint = Endpoint("a", server.url, "tiny")
        dispatch = dispatch_of(client, endpoint)
        results = await asyncio.gather(*(dispatch.ask(request(f"row {i}")) for i in range(30)))
        assert all(isinstance(r, tuple) for r in results)
        assert client.capabilities(endpoint).structure == structure
        assert not absent & set(server.bodies[-1])
        assert len(server.bodies) == 30 + asked_for_nothing
        if structure != "json_schema":
            assert "JSON alone" in server.bodies[-1]["messages"][0]["content"]


async def test_server_errors_now_and_then_do_not_cost_the_schema():
    def script(s: Scripted, body: dict) -> web.Response:
        return refusal(500, "oops") if len(s.bodies) in (1, 2, 9) else completion()

    async with serving(script) as server, ChatClient(ENVIRONMENT) as client:
        endpoint = Endpoint("a", server.url, "tiny")
        dispatch = dispatch_of(client, endpoint)
        await asyncio.gather(*(dispatch.ask(request(f"row {i}")) for i in range(20)))
        assert client.capabilities(endpoint).structure == "json_schema"


async def test_a_server_that_is_down_behind_its_port_keeps_its_schema():
    async with serving(lambda *_: refusal(500, "down")) as server, ChatClient(ENVIRONMENT) as client:
        endpoint = Endpoint("a", server.url, "tiny")
        for _ in range(9):
            await client.send(endpoint, request())
        server.script = lambda *_: completion()
        assert isinstance(await client.send(endpoint, request()), Reply)
        assert client.capabilities(endpoint).structure == "json_schema"


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        (lambda *_: completion("", finish="length"), "invalid_answer", "raise max_tokens"),
        (lambda *_: completion("<think>hm", finish="length"), "invalid_answer", "reasoning"),
        (lambda *_: completion(None, finish="length", reasoning_content="hm"), "invalid_answer", "reasoning"),
        (lambda *_: completion("", finish="stop"), "invalid_answer", "empty"),
        (lambda *_: completion('{"ans', finish="length"), "invalid_answer", "cut off"),
        (lambda *_: completion(None, refusal="I can't help"), "refused", "refused to answer"),
        (lambda *_: completion("", finish="content_filter"), "content_filter", "filter"),
        (lambda *_: web.Response(text="<html>hello</html>"), "server_error", "not JSON"),
        (lambda *_: web.json_response({"ok": 1}), "server_error", "not a chat completion"),
        (lambda *_: web.json_response({"choices": []}), "server_error", "not a chat completion"),
        (lambda *_: web.json_response([1]), "server_error", "not a chat completion"),
        (lambda *_: web.json_response({"error": {"message": "overloaded"}}), "server_error", "overloaded"),
        (lambda *_: refusal(400, "maximum context length is 8192 tokens"), "too_long", "window"),
        (lambda *_: refusal(400, "filtered", code="content_filter"), "content_filter", "filter"),
        (lambda *_: refusal(429, "slow"), "rate_limited", "HTTP 429: slow"),
        (lambda *_: refusal(503, "busy"), "server_error", "HTTP 503: busy"),
        (lambda *_: refusal(418, "teapot"), "refused", "HTTP 418: teapot"),
        (lambda *_: web.Response(body=b"x" * (17 * 2**20)), "server_error", "larger than any completion"),
    ],
)
async def test_every_end_of_a_request_has_a_reason(script, reason, words):
    sent = await once(script)
    assert isinstance(sent, SendFailure)
    assert sent.reason == reason
    assert words in sent.detail
    assert not sent.fatal


async def test_reasoning_that_stands_in_the_answer_is_left_out():
    sent = await once(lambda *_: completion('<think>{"answer": false}?</think>\n{"answer": true}'))
    assert isinstance(sent, Reply)
    assert sent.text.strip() == '{"answer": true}'


async def test_a_hang_and_a_dropped_connection_end():
    async def hang(s: Scripted, b: dict) -> web.Response:
        await asyncio.sleep(5)
        return completion()

    started = time.monotonic()
    sent = await once(hang, timeout=0.2)
    assert isinstance(sent, SendFailure)
    assert sent.reason == "timeout"
    assert time.monotonic() - started < 2

    def cut(s: Scripted, b: dict) -> web.Response:
        return web.Response(body=b"{}", headers={"Content-Length": "10"})

    sent = await once(cut, timeout=1)
    assert isinstance(sent, SendFailure)
    assert sent.reason in ("connection", "timeout")


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, f"Incorrect API key provided: {KEY}", "check the key in $OPENAI_API_KEY"),
        (403, "forbidden", "the key is refused"),
        (404, "The model `tinny` does not exist", "did you mean 'tiny'?"),
        (429, "You exceeded your current quota", "no quota left"),
        (308, "moved", "redirects"),
    ],
)
async def test_an_endpoint_that_cannot_serve_the_model_is_one_clear_error(status, message, words):
    def script(s: Scripted, b: dict) -> web.Response:
        return refusal(status, message, headers={"Location": "http://127.0.0.1:1/x"} if status == 308 else None)

    async with serving(script) as server, ChatClient(ENVIRONMENT) as client:
        dispatch = dispatch_of(client, Endpoint("main", server.url, "tinny"))
        with pytest.raises(EndpointError) as caught:
            await dispatch.ask(request())
        assert words in str(caught.value)
        assert KEY not in str(caught.value)
        assert len(server.bodies) == 1


async def test_a_server_that_is_not_there_is_an_error_with_a_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        async with ChatClient({}) as client:
            dispatch = dispatch_of(client, Endpoint("main", url, "tiny"))
            with pytest.raises(EndpointError, match=r"unreachable: no connection to .*check the base URL"):
                await dispatch.ask(request())


async def test_a_key_that_http_cannot_carry_is_named_and_not_shown():
    async with serving(lambda *_: completion()) as server, ChatClient({"OPENAI_API_KEY": "sk-a\nb-secret"}) as client:
        sent = await client.send(Endpoint("a", server.url, "tiny"), request())
    assert isinstance(sent, SendFailure)
    assert sent.fatal
    assert "$OPENAI_API_KEY" in sent.detail
    assert "secret" not in sent.detail


@pytest.mark.parametrize(
    ("base_url", "more", "url"),
    [
        ("https://api.openai.com/v1", {}, "https://api.openai.com/v1/chat/completions"),
        ("http://localhost:8000", {}, "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/v1/chat/completions/", {}, "http://localhost:8000/v1/chat/completions"),
        (
            "https://x.openai.azure.com",
            {"api_version": "2025-01-01"},
            "https://x.openai.azure.com/openai/deployments/tiny/chat/completions?api-version=2025-01-01",
        ),
        ("https://x.openai.azure.com/openai/v1/", {}, "https://x.openai.azure.com/openai/v1/chat/completions"),
        ("https://gate.example/llm/v1?tenant=a", {}, "https://gate.example/llm/v1/chat/completions?tenant=a"),
    ],
)
def test_base_urls_as_people_write_them(base_url, more, url):
    assert str(chat_url(Endpoint("a", base_url, "tiny", **more))) == url


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "This model\'s maximum context length is 8192 tokens. However, you requested 9000 tokens"}}',
        '{"error": {"code": "context_length_exceeded"}}',
        '{"message": "the request exceeds the available context size. try increasing the context size"}',
        '{"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}',
        "Requested tokens (2100) exceed context window of 2048",
        '{"error": "input length exceeds maximum context length"}',
        "'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum context length is 2048 tokens",
        "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    ],
)
def test_too_long_in_the_words_of_many_servers(body):
    assert failure_of(400, body, {}, "http://a").reason == "too_long"


def test_retry_after_in_its_forms():
    assert retry_after({"Retry-After": "1.5"}) == 1.5
    assert retry_after({"retry-after-ms": "250", "Retry-After": "1"}) == 0.25
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"Retry-After": "nan"}) is None
    assert retry_after({}) is None


async def test_failures_worth_it_are_tried_again_and_the_others_are_not():
    def script(s: Scripted, b: dict) -> web.Response:
        n = len(s.bodies)
        return refusal(429, "slow") if n == 2 else refusal(500, "oops") if n == 3 else completion()

    async with serving(script) as server, ChatClient(ENVIRONMENT) as client:
        dispatch = dispatch_of(client, Endpoint("a", server.url, "tiny"))
        assert isinstance(await dispatch.ask(request()), tuple)
        assert isinstance(await dispatch.ask(request()), tuple)
        assert len(server.bodies) == 4
        server.script = lambda *_: refusal(400, "maximum context length is 10 tokens")
        failure = await dispatch.ask(request())
        assert isinstance(failure, Failure)
        assert failure.reason == "too_long"
        assert len(server.bodies) == 5
        server.script = lambda *_: refusal(429, "slow")
        failure = await dispatch.ask(request())
        assert isinstance(failure, Failure)
        assert failure.reason == "rate_limited"
        assert len(server.bodies) == 5 + QUICK.attempts


async def test_a_request_that_is_held_back_is_not_sent():
    async with serving(lambda *_: completion()) as server, ChatClient(ENVIRONMENT) as client:
        dispatch = dispatch_of(client, Endpoint("a", server.url, "tiny"))
        ends: list[object] = []

        async def no(endpoint: Endpoint) -> bool:
            return False

        async def yes(endpoint: Endpoint) -> bool:
            return True

        assert await dispatch.ask(request(), before=no, after=lambda _, s: ends.append(s)) is None
        assert (server.bodies, ends) == ([], [])
        assert await dispatch.ask(request(), before=yes, after=lambda _, s: ends.append(s)) is not None
        assert len(server.bodies) == len(ends) == 1
        assert dispatch.pool.servers[0].concurrency.in_flight == 0


async def test_killing_the_fast_server_and_bringing_it_back_finishes_the_run():
    async def slow(s: Scripted, b: dict) -> web.Response:
        await asyncio.sleep(0.3)
        return completion()

    async def fast(s: Scripted, b: dict) -> web.Response:
        await asyncio.sleep(0.01)
        return completion()

    async with serving(slow) as other, ChatClient(ENVIRONMENT) as client:
        async with serving(fast) as first:
            port = first.port
            pool_of = [Endpoint("fast", first.url, "tiny"), Endpoint("slow", other.url, "tiny", priority=2)]
            dispatch = dispatch_of(client, *pool_of)
            tasks = [asyncio.create_task(dispatch.ask(request(f"row {i}"))) for i in range(600)]
            while len(first.bodies) < 150:  # noqa: ASYNC110 - the server counts
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.7)
        async with serving(fast, port) as again:
            results = await asyncio.gather(*tasks)
        assert all(isinstance(r, tuple) for r in results)
        assert {r[0].name for r in results if isinstance(r, tuple)} == {"fast", "slow"}
        assert again.bodies


async def test_the_only_server_may_be_away_for_a_while():
    async with ChatClient(ENVIRONMENT) as client:
        async with serving(lambda *_: completion()) as first:
            port = first.port
            dispatch = dispatch_of(client, Endpoint("a", first.url, "tiny"))
            assert isinstance(await dispatch.ask(request()), tuple)
        tasks = [asyncio.create_task(dispatch.ask(request(f"row {i}"))) for i in range(100)]
        await asyncio.sleep(1.0)
        assert not any(t.done() for t in tasks)
        async with serving(lambda *_: completion(), port):
            assert all(isinstance(r, tuple) for r in await asyncio.gather(*tasks))
