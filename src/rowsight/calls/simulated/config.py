"""What a simulated model server is told: where it listens, what it knows, how it misbehaves."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from rowsight.core.errors import InputError, nearest

Hook = Callable[[list[dict[str, Any]], dict[str, Any] | None], Any]
"""``hook(messages, schema) -> answer``: what a column can't say; ``None`` leaves the request to the table."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A column of right answers. With a ``pattern`` (a regular expression) only for prompts that hold a match of it."""

    column: str
    pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise InputError(f"the truth's pattern {self.pattern!r} is no regular expression: {error}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationConfig:
    """Everything about a simulated server but its rows.

    ``text`` and ``truths`` name columns of the rows; the first truth whose pattern matches the whole prompt
    answers. ``latency_ms`` is the median of a log-normal with shape ``latency_sigma`` (0: always the same).
    ``noise`` is the share of wrong answers: the same rows each time (``row``) or drawn for each call
    (``call``); after ``drift_after`` chat calls it is ``drift_noise``, on other rows, and with
    ``drift_fingerprint`` the server says so. ``model_noise`` names models that err on a share of their own, on
    other rows, whatever drifts. Each ``rate_*`` is the share of calls that meet the fault: 429
    with ``retry_after`` seconds, 500, a dropped connection, silence, a malformed answer, a refusal. Above
    ``max_concurrency`` calls in flight the server answers 429; above ``capacity`` calls wait their turn.
    ``window`` is the longest prompt in tokens. ``think`` tokens are spent before each answer, and the answer
    is empty where the request's limit doesn't leave room. ``reject_*`` refuse a request's field with the 400
    that OpenAI gives, ``require_key`` asks for that bearer key, ``unknown_model`` gives 404 to all models but
    ``sim``.
    """

    text: str = "text"
    truths: tuple[Truth, ...] = (Truth("truth"),)
    hook: Hook | None = None
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    latency_ms: float = 0.0
    latency_sigma: float = 0.0
    noise: float = 0.0
    noise_mode: Literal["row", "call"] = "row"
    model_noise: Mapping[str, float] = field(default_factory=dict)
    drift_after: int | None = None
    drift_noise: float = 0.0
    drift_fingerprint: bool = False
    rate_429: float = 0.0
    retry_after: float = 1.0
    rate_500: float = 0.0
    rate_drop: float = 0.0
    rate_hang: float = 0.0
    rate_malformed: float = 0.0
    rate_refusal: float = 0.0
    max_concurrency: int | None = None
    capacity: int | None = None
    window: int | None = None
    think: int = 0
    reject_json_schema: bool = False
    reject_max_tokens: bool = False
    reject_temperature: bool = False
    reject_logprobs: bool = False
    require_key: str | None = None
    unknown_model: bool = False

    def __post_init__(self) -> None:
        shares = [f.name for f in fields(self) if f.name.startswith("rate_")] + ["noise", "drift_noise"]
        for name in shares:
            _demand(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        total = sum(getattr(self, name) for name in shares if name.startswith("rate_"))
        _demand(total <= 1, "the rates' sum", total, "at most 1")
        for model, share in self.model_noise.items():
            _demand(0 <= share <= 1, f"the noise of {model!r}", share, "a share from 0 to 1")
        for name in ("latency_ms", "latency_sigma", "retry_after", "think"):
            value = getattr(self, name)
            _demand(value >= 0 and math.isfinite(value), name, value, "0 or more")
        for name in ("max_concurrency", "capacity", "window"):
            value = getattr(self, name)
            _demand(value is None or value >= 1, name, value, "1 or more")
        _demand(self.noise_mode in ("row", "call"), "noise_mode", self.noise_mode, "row or call")
        _demand(bool(self.truths) or self.hook is not None, "truths", self.truths, "at least one truth, or a hook")


def _demand(holds: bool, name: str, value: Any, wanted: str) -> None:  # noqa: FBT001 - an assertion's condition
    if not holds:
        raise InputError(f"{name} of the simulated server is {value!r}; give {wanted}")


def load_hook(spec: str) -> Hook:
    """Return the function that ``module:function`` names; ``InputError`` where there is none."""
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise InputError(f"the hook {spec!r} is not of the form module:function")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"the hook's module {module_name!r} can't be imported: {error}") from error
    hook: Hook | None = getattr(module, name, None)
    if not callable(hook):
        raise InputError(f"the module {module_name!r} has no function {name!r}{nearest(name, vars(module))}")
    return hook
