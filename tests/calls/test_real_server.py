"""What a real server that isn't ours was recorded to say, and what Rowsight makes of it."""

from __future__ import annotations

import json
from collections import Counter

import aiohttp
import pyarrow as pa
import pytest
from replay import Replay, load

import rowsight
from rowsight.calls.answers import Checker
from rowsight.calls.classify import reply_of
from rowsight.plan.schema import InvalidAnswerError
from rowsight.plan.template import unfence


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


TEXTS = list(
    dict.fromkeys(
        value
        for exchange in chats()
        if not exchange.too_long and exchange.shape.form == "json_object"
        for _, value in unfence(exchange.request["messages"][1]["content"])
        if len(value) < 1000
    )
)
LONG = next(e.request["messages"][1]["content"] for e in chats() if e.too_long)
VERBS = {
    "filter": lambda t: t.filter("Is {text} a complaint about delivery?", keep_all=True),
    "classify": lambda t: t.classify("What is {text} about?", ["courier", "refund", "hotel"]),
    "extract": lambda t: t.extract(
        "Which order number and amount does {text} name?", {"order": "string", "amount": "number"}
    ),
    "score": lambda t: t.score("How angry is the writer of {text}?"),
    "complete": lambda t: t.complete("Write a one-line summary of {text}."),
}


async def asked(server: Replay, verb: str, texts: list[str], **options):
    table = rowsight.read(pa.table({"text": texts}))
    result = await VERBS[verb](table).arun(model="smollm2", base_url=server.base_url, ledger=False, **options)
    assert not server.missed
    return result


def said(question: str, text: str) -> list[str]:
    """Return the recorded answers to a question about a text, the repair last."""
    bodies = [
        json.loads(e.body)["choices"][0]["message"]["content"]
        for e in sorted(chats(), key=lambda e: e.shape.turns)
        if e.shape.form == "json_object"
        and e.status == 200
        and question in e.request["messages"][0]["content"]
        and unfence(e.request["messages"][1]["content"])[0][1] == text
        and e.request.get("max_tokens") == 160
        and not {"logprobs", "seed"} & set(e.request)
    ]
    assert bodies
    return bodies


def valid(verb: str, text: str) -> object:
    """Return the value of what the server said last if it is a valid answer, else ``None``."""
    question = VERBS[verb](rowsight.read(pa.table({"text": ["x"]}))).plan.question
    try:
        answer = Checker(question.answer.schema, question.answer.read)(said(question.template.text, text)[-1])
    except InvalidAnswerError:
        return None
    return question.answer.read(json.loads(answer))


@pytest.mark.parametrize("verb", VERBS)
async def test_rows_are_answered_as_the_server_said_or_fail_with_a_reason(verb):
    async with Replay(load("llama_cpp"), delay=0.02) as server:
        result = await asked(server, verb, TEXTS)
    for row in result.to_arrow().to_pylist():
        expected = valid(verb, row["text"])
        assert row["answer"] == expected
        assert row["answer_status"] == ("failed" if expected is None else "asked")
    assert set(result.report.failures) <= {"invalid_answer"}
    assert result.report.total("asked") + result.report.total("failed") == len(TEXTS)


async def test_some_questions_are_answered_and_some_fail():
    assert [valid("filter", text) for text in TEXTS].count(None) == 1
    assert [valid("classify", text) for text in TEXTS].count(None) == len(TEXTS)


async def test_the_missing_json_schema_is_learnt_once():
    async with Replay(load("llama_cpp"), delay=0.02) as server:
        await asked(server, "filter", TEXTS)
        forms = [(r.get("response_format") or {}).get("type") for r in server.requests if r]
        tried = forms.count("json_schema")
        assert 1 <= tried <= len(TEXTS)
        assert forms[tried:] == ["json_object"] * (len(forms) - tried)


async def test_learning_costs_no_row_its_attempts():
    async with Replay(load("llama_cpp")) as server:
        result = await asked(server, "filter", TEXTS[:1], attempts=1)
    assert result.to_arrow().column("answer_status").to_pylist() == ["asked"]


async def test_a_row_longer_than_the_window_fails_with_that_reason():
    ((_, text),) = unfence(LONG)
    async with Replay(load("llama_cpp")) as server:
        result = await asked(server, "filter", [*TEXTS[:1], text])
    assert result.to_arrow().column("answer_status").to_pylist() == ["asked", "failed"]
    assert result.failures.column("reason").to_pylist() == ["too_long"]
    assert result.report.calls <= 4


async def test_logprobs_that_are_asked_for_and_not_given_are_unknown():
    bare = next(e for e in chats() if "logprobs" in e.request and e.status == 200)
    given = load("llama_cpp_logprobs")[0]
    assert reply_of(json.loads(bare.body)).logprob is None
    assert -20 < reply_of(json.loads(given.body)).logprob < 0
