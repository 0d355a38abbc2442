"""From an HTTP answer to its meaning: a reply, or a failure with a reason from the closed set."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from rowsight.calls.reply import Reply, SendFailure, Sent
from rowsight.calls.request import FailureReason, Usage

SHOWN = 300
"""Characters of a server's own words that an error shows."""
LONGEST_PAUSE = 3600.0
_TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|maximum context length|context (?:window|length|size)|max_model_len"
    r"|prompt is too long|too many tokens|input (?:is )?too long|exceeds? the (?:available |maximum |model'?s? )?(?:context|token)"
    r"|(?:input|prompt|request|message)s?.{0,40}(?:too long|too large|exceeds?.{0,30}(?:limit|maximum|length|tokens))"
    r"|reduce the length",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content_filter|content[_ ]policy|ResponsibleAIPolicy|content management policy|safety system", re.IGNORECASE
)
_NO_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|credit balance|payment required", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"model_not_found|model.{0,80}(?:not exist|not found|unknown|not loaded|no access)|DeploymentNotFound",
    re.IGNORECASE,
)


def reply_of(data: Any) -> Sent:
    """Read a chat completion; an answer that isn't one, or that holds no answer, is a failure."""
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content = message.get("content")
        finish = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        return _no_completion(data)
    usage = usage_of(data.get("usage"))
    text = _text(content)
    if message.get("refusal"):
        return SendFailure("refused", "the model refused to answer", 200, usage=usage)
    if finish == "content_filter":
        return SendFailure("content_filter", "the server's content filter stopped the answer", 200, usage=usage)
    if not text.strip():
        return _empty(finish, message, usage)
    if finish == "length":
        detail = "the answer was cut off at the completion limit; raise max_tokens"
        return SendFailure("invalid_answer", detail, 200, usage=usage)
    return Reply(
        text,
        str(data.get("model") or ""),
        usage,
        finish,
        data.get("system_fingerprint"),
        _logprob(choice.get("logprobs")),
    )


def _no_completion(data: Any) -> SendFailure:
    if isinstance(data, dict) and data.get("error"):
        return SendFailure("server_error", f"the server answered 200 with an error: {shown_error(data)}", 200)
    return SendFailure("server_error", "the server's answer is not a chat completion; check the base URL", 200)


def _empty(finish: str | None, message: Mapping[str, Any], usage: Usage | None) -> SendFailure:
    reasoned = bool(message.get("reasoning_content") or message.get("reasoning") or message.get("content"))
    if finish == "length" or (reasoned and finish is None):
        detail = "the model spent all its tokens on reasoning and gave no answer; raise max_tokens"
    else:
        detail = "the answer is empty"
    return SendFailure("invalid_answer", detail, 200, usage=usage)


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        return ""
    if content.lstrip().startswith("<think>"):  # some servers leave the reasoning in the answer
        return content.partition("</think>")[2]
    return content


def _logprob(given: Any) -> float | None:
    try:
        tokens = given["content"]
        return sum(float(t["logprob"]) for t in tokens) if tokens else None
    except (KeyError, TypeError, ValueError):
        return None


def usage_of(given: Any) -> Usage | None:
    """Return the tokens that the server counted, ``None`` where it said nothing usable."""
    try:
        details = given.get("prompt_tokens_details") or {}
        cached = int(details.get("cached_tokens") or 0)
        return Usage(int(given["prompt_tokens"]), int(given.get("completion_tokens") or 0), cached)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def shown_error(data: Any) -> str:
    """Return the server's own words out of an error body, on one line, cut to a readable length."""
    error = data.get("error", data) if isinstance(data, dict) else data
    words = error
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or error.get("code") or error.get("type") or ""
    if isinstance(words, list):  # faults of single fields, which quote the request beside their message
        words = "; ".join(str(w.get("msg", "")) for w in words if isinstance(w, dict))
    line = " ".join(str(words).split())
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def _body_words(body: str) -> str:
    try:
        return shown_error(orjson.loads(body))
    except orjson.JSONDecodeError:
        line = " ".join(re.sub(r"<[^>]*>", " ", body).split())
        return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def failure_of(status: int, body: str, headers: Mapping[str, str], base_url: str) -> SendFailure:
    """Return what an HTTP answer other than 200 means, but for what a capability explains."""
    words = f"HTTP {status}: {_body_words(body)}".rstrip(": ")
    if too_long(status, body):
        return SendFailure("too_long", "the row is longer than the model's context window", status)
    if is_filtered(status, body):
        return SendFailure("content_filter", "the server's content filter refused the row", status)
    detail = _unusable(status, body, words, headers.get("Location", ""), base_url)
    if detail is not None:
        return SendFailure("refused", detail, status, fatal=True)
    return SendFailure(_reason(status), words, status, retry_after(headers))


def _unusable(status: int, body: str, words: str, location: str, base_url: str) -> str | None:
    """Return why an endpoint can't serve the model at all, ``None`` where that isn't said."""
    if status in (401, 403):
        return f"the key is refused ({words})"
    if status == 402 or (status == 429 and _NO_QUOTA.search(body)):  # noqa: PLR2004
        return f"the account has no quota left ({words}); top it up"
    if status == 404 or (status in (400, 422) and _NO_MODEL.search(body)):  # noqa: PLR2004
        return words
    if 300 <= status < 400:  # noqa: PLR2004
        return f"{base_url} redirects to {location}; give that as the base URL"
    return None


def _reason(status: int) -> FailureReason:
    if status == 429:  # noqa: PLR2004
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    if status >= 500 or status in (409, 425):  # noqa: PLR2004
        return "server_error"
    return "refused"


def too_long(status: int, body: str) -> bool:
    """Whether a refusal says that the row doesn't fit the model's window; servers say it in many words."""
    return status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(body) is not None)  # noqa: PLR2004


def is_filtered(status: int, body: str) -> bool:
    """Whether a refusal is a content filter's."""
    return status in (400, 403, 422) and _FILTERED.search(body) is not None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After (seconds or a date) or of ``retry-after-ms``; ``None`` without a usable one."""
    for name, scale in (("retry-after-ms", 1e-3), ("Retry-After", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        seconds = _seconds(value, scale)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_PAUSE)
    return None


def _seconds(value: str, scale: float) -> float | None:
    try:
        seconds = float(value) * scale
    except ValueError:
        pass
    else:
        return seconds if math.isfinite(seconds) else None
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
