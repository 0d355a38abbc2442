"""What a real server that isn't ours was recorded to say, and what Rowsight makes of it."""

from __future__ import annotations

import json
from collections import Counter

import aiohttp
import pytest
from tests.calls.replay import Replay, load


def chats() -> list:
    return [e for e in load("llama_cpp") if e.path == "/v1/chat/completions"]


def test_the_recording_holds_what_users_meet():
    found = Counter((e.shape.form, e.status) for e in chats())
    assert found["json_schema", 500] == sum(n for (form, _), n in found.items() if form == "json_schema")
    assert found["json_object", 200]
    assert found[None, 200]
    assert [e for e in chats() if e.too_long and e.status == 400]
    assert [e for e in chats() if e.shape.top_logprobs and e.shape.form is None and e.status == 500]


def test_the_recording_holds_no_machine_path():
    for name in ("llama_cpp", "llama_cpp_logprobs"):
        for exchange in load(name):
            assert not any(word in exchange.body for word in ("site-packages", "/root/", "/home/", "/tmp/", ".gguf"))


@pytest.mark.parametrize("name", ["llama_cpp", "llama_cpp_logprobs"])
async def test_the_replay_says_what_was_recorded(name):
    async with Replay(load(name)) as server, aiohttp.ClientSession() as http:
        for exchange in server.exchanges:
            method = "POST" if exchange.request else "GET"
            url = server.base_url + exchange.path.removeprefix("/v1")
            async with http.request(method, url, json=exchange.request) as reply:
                assert (reply.status, await reply.text()) == (exchange.status, exchange.body)
                assert reply.headers["content-type"].startswith(exchange.headers["content-type"])
        assert not server.missed


async def test_the_replay_invents_nothing():
    async with Replay(load("llama_cpp")) as server, aiohttp.ClientSession() as http:
        asked = json.loads(json.dumps(chats()[1].request).replace("parcel", "letter"))
        async with http.post(server.base_url + "/chat/completions", json=asked) as reply:
            assert reply.status == 501
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}}
        async with http.post(server.base_url + "/chat/completions", json=asked) as reply:
            assert reply.status == 500
        assert len(server.missed) == 1
