"""The simulated model: what it replies to a chat completion."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from rowsight.calls.simulated.answers import CannotAnswerError, Form
from rowsight.calls.simulated.asked import Asked, BadRequestError
from rowsight.calls.simulated.config import SimulationConfig
from rowsight.calls.simulated.faults import Fate, Fault
from rowsight.calls.simulated.rows import KnownRows, TruthColumn
from rowsight.calls.simulated.several import BROKEN, broken, form_of_one, together
from rowsight.calls.simulated.together import answered, kind_of
from rowsight.calls.simulated.usage import PrefixCache, Stats, tokens

MODEL = "sim"
_REFUSAL = "I'm sorry, I can't help with that."
_UNMATCHED = "I can't answer: no row of the simulated table stands here, or its truth doesn't fit the answer."
_MALFORMED = (
    '{"answer": tru',
    "Well, that depends on how one looks at it; there is something to be said for both sides.",
    '{"unexpected": [1, 2, 3]}',
)
_REJECTIONS = {
    "stream": (None, "stream", "Streaming is not supported by the simulated model."),
    "json_schema": (
        None,
        "response_format",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    ),
    "max_tokens": (
        "unsupported_parameter",
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    "temperature": (
        "unsupported_value",
        "temperature",
        "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) is.",
    ),
    "logprobs": ("unsupported_parameter", "logprobs", "This model does not support 'logprobs'."),
}
_SURE_LOGPROB = -0.0001
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_MESSAGE_TOKENS = 4
_MOST_FORMS = 4096


@dataclass(slots=True)
class Reply:
    """One reply: an HTTP status and JSON, after ``delay`` seconds; or a ``fate`` of ``drop`` or ``hang``.

    ``kind`` says how it counts once delivered, ``prompt_key`` names the prompt, the token counts go to the stats.
    """

    status: int
    body: bytes
    kind: str = "other"
    delay: float = 0.0
    headers: bytes = b""
    fate: Fault | None = None
    prompt_key: int = 0
    usage: tuple[int, int, int] = (0, 0, 0)


def error_reply(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Reply:
    """Return an error in OpenAI's form."""
    kind = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}.get(
        status, "invalid_request_error"
    )
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Reply(status, orjson.dumps({"error": error}), kind="rejected")


@dataclass(slots=True)
class _Said:
    """What the model says: text, or a refusal; whether noise bent it and how sure it sounds."""

    content: str | None
    refusal: str | None = None
    kind: str = "answered"
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A row's truth under a question, the ``others`` that rows have, and its code among them (``None`` from a hook)."""

    question: str
    truth: Any
    others: Sequence[Any] = ()
    code: int | None = None


@dataclass
class ChatModel:
    """Answers chat completions from the known rows, with the faults and the noise of the configuration."""

    config: SimulationConfig
    rows: KnownRows
    stats: Stats = field(default_factory=Stats)

    def __post_init__(self) -> None:
        self._truths = [
            (
                re.compile(truth.pattern, re.DOTALL) if truth.pattern is not None else None,
                self.rows.truths[truth.column],
            )
            for truth in self.config.truths
            if truth.column in self.rows.truths
        ]
        self._forms: dict[Any, Form] = {}
        self._rendered: dict[tuple[Any, str, int], str] = {}
        self.reset()

    def reset(self) -> None:
        """Forget all calls: counts, prompts seen, the prefix cache, and the place in the order of faults."""
        flying = self.stats.in_flight
        self.stats = Stats(in_flight=flying, peak_in_flight=flying)
        self._fate = Fate(self.config)
        self._prefixes = PrefixCache()
        self._seen: dict[int, bool] = {}

    def chat(self, raw: bytes) -> Reply:
        """Return the reply to one POST /v1/chat/completions; the call counts as in flight until ``done``."""
        self.stats.enter()
        if self.config.max_concurrency is not None and self.stats.in_flight > self.config.max_concurrency:
            return self._too_many("over_concurrency")
        try:
            asked = Asked.of(orjson.loads(raw))
        except (orjson.JSONDecodeError, BadRequestError) as error:
            return error_reply(400, f"Invalid request: {error}")
        key = self._recognise(asked)
        refused = self._refused_fields(asked)
        if refused is not None:
            return refused
        fault = self._fate.next_fault()
        if fault == "429":
            return self._too_many("429")
        reply = self._reply(asked, fault)
        reply.delay, reply.prompt_key = self._fate.next_delay(), key
        return reply

    def done(self, reply: Reply, delivered: bool) -> None:  # noqa: FBT001 - one of two ends
        """Count a reply out: ``delivered`` unless its client had gone."""
        stats = self.stats
        stats.in_flight -= 1
        if reply.kind.startswith("fault:"):
            stats.faults[reply.kind[6:]] += 1
        elif not delivered:
            stats.abandoned += 1
            return
        elif reply.kind == "rejected":
            stats.rejected += 1
        elif reply.kind == "unmatched":
            stats.unmatched += 1
        else:
            stats.answered += 1
            stats.wrong += reply.kind == "wrong"
            self._seen[reply.prompt_key] = True
        stats.prompt_tokens += reply.usage[0]
        stats.completion_tokens += reply.usage[1]
        stats.cached_tokens += reply.usage[2]

    def _recognise(self, asked: Asked) -> int:
        """Return the prompt's key, and count it if it was asked, or answered, before."""
        key = hash((asked.model, asked.prompt))
        answered = self._seen.get(key)
        if answered is None:
            self._seen[key] = False
        else:
            self.stats.repeated_prompts += 1
            self.stats.repaid_prompts += answered
        return key

    def _too_many(self, why: str) -> Reply:
        reply = error_reply(
            429,
            "Rate limit reached for simulated requests. Please try again later.",
            code="rate_limit_exceeded",
        )
        wait = self.config.retry_after
        reply.headers = b"Retry-After: %g\r\nretry-after-ms: %d\r\n" % (wait, wait * 1000)
        reply.kind = f"fault:{why}"
        return reply

    def _refused_fields(self, asked: Asked) -> Reply | None:
        """Return what a server says that doesn't bear a field of the request, or ``None``."""
        config, body = self.config, asked.body
        if config.unknown_model and asked.model != MODEL:
            return error_reply(404, f"The model `{asked.model}` does not exist.", code="model_not_found")
        unborne = {
            "stream": bool(body.get("stream")),
            "json_schema": config.reject_json_schema and asked.format_type == "json_schema",
            "max_tokens": config.reject_max_tokens and "max_tokens" in body,
            "temperature": config.reject_temperature and body.get("temperature", 1) != 1,
            "logprobs": config.reject_logprobs and bool(body.get("logprobs")),
        }
        for field_name, refused in unborne.items():
            if refused:
                code, param, words = _REJECTIONS[field_name]
                return error_reply(400, words, code=code, param=param)
        return self._too_long(asked)

    def _too_long(self, asked: Asked) -> Reply | None:
        window = self.config.window
        if window is None or (length := self._prompt_tokens(asked)) <= window:
            return None
        words = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in "
            f"{length} tokens. Please reduce the length of the messages."
        )
        return error_reply(400, words, code="context_length_exceeded", param="messages")

    def _reply(self, asked: Asked, fault: Fault | None) -> Reply:
        if fault in ("drop", "hang"):
            return Reply(0, b"", kind=f"fault:{fault}", fate=fault)
        if fault == "500":
            reply = error_reply(500, "The server had an error while processing your request. Sorry about that!")
            reply.kind = "fault:500"
            return reply
        if fault == "malformed":
            return self._malformed(asked)
        if fault == "refusal":
            free = asked.schema is None and asked.format_type == "text"
            return self._completion(asked, _Said(_REFUSAL if free else None, _REFUSAL, "fault:refusal"))
        return self._completion(asked, self._say(asked))

    def _malformed(self, asked: Asked) -> Reply:
        """Return broken content, or (always, where any text would be an answer) a body that breaks off."""
        free = asked.schema is None and asked.format_type == "text"
        rows = {} if free else asked.rows(self.rows.texts)
        ways = len(_MALFORMED) + 1 + (BROKEN if rows else 0)
        variant = len(_MALFORMED) if free else self._fate.next_variant(ways)
        if variant < len(_MALFORMED):
            return self._completion(asked, _Said(_MALFORMED[variant], kind="fault:malformed"))
        if variant > len(_MALFORMED):
            said = {number: one.content or "null" for number, one in self._say_each(asked, rows).items()}
            content = broken(said, variant - len(_MALFORMED) - 1)
            return self._completion(asked, _Said(content, kind="fault:malformed"))
        whole = self._completion(asked, _Said(_MALFORMED[0], kind="fault:malformed"))
        whole.body = whole.body[: len(whole.body) // 2]
        return whole

    def _say(self, asked: Asked) -> _Said:
        """Return the model's own answer."""
        if self.config.hook is not None:
            given = self.config.hook(asked.messages, asked.schema)
            if given is not None:
                return self._put(asked, asked.last.encode(), _Known("hook", given), *self._form(asked, asked.last))
        if (kind := kind_of(asked.schema)) is not None:
            answer = answered(kind, asked.prompt, asked.users[0], partial(self._truth_of, asked))
            return _Said(orjson.dumps(answer).decode())
        if rows := asked.rows(self.rows.texts):
            return self._say_all(asked, rows)
        row = asked.row(self.rows.texts)
        return self._say_one(asked, row, *self._form(asked, row[1].decode() if row else ""))

    def _say_one(self, asked: Asked, row: tuple[int, bytes] | None, key: Any, form: Form) -> _Said:
        truth = self._truth_for(asked) if row else None
        if row is None or truth is None or (code := int(truth.codes[row[0]])) < 0:
            return _Said(None, _UNMATCHED, "unmatched")
        return self._put(asked, row[1], _Known(truth.name, truth.values[code], truth.values, code), key, form)

    def _say_each(self, asked: Asked, rows: Mapping[int, tuple[int, bytes] | None]) -> dict[int, _Said]:
        """Return what the model says of each row of a request about several."""
        key, whole = self._form(asked, asked.last)
        form = form_of_one(whole)
        return {number: self._say_one(asked, row, (key, "one"), form) for number, row in rows.items()}

    def _say_all(self, asked: Asked, rows: Mapping[int, tuple[int, bytes] | None]) -> _Said:
        """Return the model's answer about several rows; rows that it can't answer are left out."""
        try:
            said = {n: one for n, one in self._say_each(asked, rows).items() if one.content is not None}
        except CannotAnswerError:
            said = {}
        if not said:
            return _Said(None, _UNMATCHED, "unmatched")
        kind = "wrong" if any(one.kind == "wrong" for one in said.values()) else "answered"
        content = together({number: one.content or "" for number, one in said.items()})
        return _Said(content, None, kind, min(one.confidence for one in said.values()))

    def _truth_for(self, asked: Asked) -> TruthColumn | None:
        return next(
            (truth for pattern, truth in self._truths if pattern is None or pattern.search(asked.prompt)),
            None,
        )

    def _truth_of(self, asked: Asked, text: str) -> Any:
        """Return the truth of one of several rows that are asked about, ``None`` where there is none."""
        number, truth = self.rows.texts.find(text.encode()), self._truth_for(asked)
        if number is None or truth is None or (code := int(truth.codes[number])) < 0:
            return None
        return truth.values[code]

    def _put(self, asked: Asked, text: bytes, known: _Known, key: Any, form: Form) -> _Said:
        """Return what is known of the row ``text`` in a form (named by ``key``), bent where the model errs on the row."""
        doubt = self._fate.doubt(known.question, text, asked.model)
        try:
            if doubt.wrong:
                wrong = form.render_wrong(known.truth, known.others, doubt.pick)
                return _Said(wrong, None, "wrong", doubt.confidence)
            return _Said(self._right(key, form, known), None, "answered", doubt.confidence)
        except CannotAnswerError:
            return _Said(None, _UNMATCHED, "unmatched")

    def _right(self, form_key: Any, form: Form, known: _Known) -> str:
        """Return the right answer, from memory where it was put into this form before."""
        if known.code is None:
            return form.render(known.truth)
        place = (form_key, known.question, known.code)
        content = self._rendered.get(place)
        if content is None:
            if len(self._rendered) >= _MOST_FORMS:
                self._rendered.clear()
            content = self._rendered[place] = form.render(known.truth)
        return content

    def _form(self, asked: Asked, text: str) -> tuple[Any, Form]:
        schema = asked.schema
        words = () if schema is not None else (asked.prompt.replace(text, ""), asked.format_type)
        key: Any = words or orjson.dumps(schema)
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            form = Form.of_prompt(words[0], as_json=words[1] != "text") if words else Form(schema)
            self._forms[key] = form
        return key, form

    def _prompt_tokens(self, asked: Asked) -> int:
        return tokens(asked.prompt) + _MESSAGE_TOKENS * len(asked.body["messages"])

    def _completion(self, asked: Asked, said: _Said) -> Reply:
        thought = self.config.think
        spoken = tokens(said.content or said.refusal or "")
        limit = asked.max_tokens
        cut = limit is not None and thought + spoken > limit
        spent = min(thought + spoken, limit) if limit is not None else thought + spoken
        if cut and thought:
            said = _Said("", None, said.kind)
        elif cut and said.content:
            said.content = said.content.encode()[: limit * 4 if limit else 0].decode(errors="ignore")
        counts = (self._prompt_tokens(asked), spent, self._prefixes.cached_tokens(asked.prompt))
        body = {
            "id": f"chatcmpl-{self.stats.requests}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "system_fingerprint": self._fate.fingerprint,
            "choices": [_choice(asked, said, cut=cut)],
            "usage": {
                "prompt_tokens": counts[0],
                "completion_tokens": spent,
                "total_tokens": counts[0] + spent,
                "prompt_tokens_details": {"cached_tokens": min(counts[2], counts[0])},
                "completion_tokens_details": {"reasoning_tokens": min(thought, spent)},
            },
        }
        return Reply(200, orjson.dumps(body), kind=said.kind, usage=counts)


def _choice(asked: Asked, said: _Said, *, cut: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.content, "refusal": said.refusal}
    reason = "length" if cut else "stop"
    tool = asked.tool if asked.format_type == "text" else None
    if tool is not None and said.content:
        call = {"name": tool.get("name"), "arguments": said.content}
        message |= {"content": None, "tool_calls": [{"id": "call_0", "type": "function", "function": call}]}
        reason = "tool_calls"
    wanted = said.content and asked.body.get("logprobs")
    logprobs = {"content": _logprobs(said, asked.body.get("top_logprobs") or 0)} if wanted else None
    return {"index": 0, "message": message, "finish_reason": reason, "logprobs": logprobs}


def _logprobs(said: _Said, top: int) -> list[dict[str, Any]]:
    """Return a log-probability for each token: the answer's own words carry the doubt, names and brackets none.

    The doubt falls on the first word of the answer's value; it alone has a rival among the ``top`` alternatives.
    """
    content = said.content or ""
    pieces = _TOKEN.findall(content)
    start = content.find(":") if content[:1] == "{" else -1
    found, position, doubted = [], 0, False
    for piece in pieces:
        telling = not doubted and position > start and piece[0].isalnum()
        logprob = math.log(said.confidence) if telling else _SURE_LOGPROB
        doubted = doubted or telling
        token = {"token": piece, "logprob": logprob, "bytes": list(piece.encode())}
        rivals = (
            [{"token": "other", "logprob": math.log(max(1e-6, 1 - said.confidence)), "bytes": None}] if telling else []
        )
        found.append(token | {"top_logprobs": ([token, *rivals])[:top]})
        position += len(piece)
    return found
