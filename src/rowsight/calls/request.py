"""What is asked, what comes back, and the key that names a question for good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

FailureReason = Literal[
    "timeout",
    "rate_limited",
    "server_error",
    "refused",
    "invalid_answer",
    "too_long",
    "content_filter",
    "connection",
    "cancelled",
]
PROMPT_VERSION = 1
"""Part of every request key: raising it asks everything again, so it changes only with the words of the prompt."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters, part of the request key. ``max_tokens`` caps the completion, reasoning included."""

    temperature: float | None = 0.0
    max_tokens: int = 1024
    seed: int | None = None
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One logical question to one model, before any endpoint's adaptation.

    ``key`` is the SHA-256 of its canonical JSON (32 bytes): model, messages, answer schema, sampling and prompt
    version; never the endpoint or the credentials.
    """

    model: str
    system: str
    user: str
    schema: dict[str, Any]
    sampling: Sampling
    key: bytes
    repair: tuple[str, str] | None = None
    """The one repair attempt: (the invalid answer, what was wrong with it), sent as two further messages. Not in the key."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """The part of a request that all rows share; ``request`` adds a row's fenced values."""

    model: str
    system: str
    schema: dict[str, Any]
    sampling: Sampling = field(default_factory=Sampling)

    def request(self, user: str) -> Request:
        """Return the request that asks about one row, given the fenced values."""
        canonical = orjson.dumps(
            {
                "model": self.model,
                "messages": [{"role": "system", "content": self.system}, {"role": "user", "content": user}],
                "schema": self.schema,
                "sampling": self.sampling,
                "prompt_version": PROMPT_VERSION,
            },
            option=orjson.OPT_SORT_KEYS,
        )
        key = hashlib.sha256(canonical).digest()
        return Request(self.model, self.system, user, self.schema, self.sampling, key)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests. ``cached_tokens`` is the part of ``prompt_tokens`` that the server had cached."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A validated answer. ``text`` is the JSON that the model gave, valid under the request's schema.

    ``cost`` is in US dollars, ``None`` when a price is unknown; ``at`` is Unix time in seconds; ``model`` and
    ``fingerprint`` are what the server said of itself; ``logprob`` is the log-probability of the answer where asked.
    """

    text: str
    model: str
    endpoint: str
    at: float
    usage: Usage
    cost: float | None = None
    fingerprint: str | None = None
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: a reason from the closed set, and words for people (never a secret, never row text)."""

    reason: FailureReason
    detail: str
    at: float
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    endpoint: str | None = None


Outcome = Answer | Failure
