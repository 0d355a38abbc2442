"""What a server of the OpenAI kind bears, learnt once per endpoint from its first answers.

Servers differ in the name of the completion limit, in structured output, and in which parameters they refuse. A refusal
says so in a body of its own wording; these are recognised with care, since a parameter that is left out wrongly changes
the answers for the rest of the run.
"""

from __future__ import annotations

import re
from typing import Literal

Structure = Literal["json_schema", "json_object", "text"]
_LESS: dict[Structure, Structure] = {"json_schema": "json_object", "json_object": "text"}
_REFUSING = frozenset({400, 404, 415, 422, 500, 501})
UNEXPLAINED = 3
"""Server errors in a row, on structured calls that never succeeded, after which a call goes without structure once."""

_UNKNOWN = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra (?:inputs|fields)"
    r"|invalid|not available|not implemented|must be|should be|cannot|can't|does not|doesn't|only the default",
    re.IGNORECASE,
)
_STRUCTURE = re.compile(r"response_format|json_schema|json_object|structured.?output|guided|grammar", re.IGNORECASE)


class Capabilities:
    """The parameters that one endpoint bears; ``version`` grows with each change, so that request bodies are rebuilt."""

    __slots__ = (
        "_before_trial",
        "_errors",
        "limit_name",
        "logprobs",
        "seed",
        "structure",
        "temperature",
        "version",
        "works",
    )

    def __init__(self) -> None:
        self.limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        self.structure: Structure = "json_schema"
        self.temperature = self.seed = self.logprobs = True
        self.version = 0
        self.works = False
        """Whether an answer came with the present ``structure``."""
        self._errors = 0
        self._before_trial: Structure | None = None

    def answered(self) -> None:
        """Note that an answer came: what was on trial is now known."""
        self.works = True
        self._errors = 0
        self._before_trial = None

    def adapt(self, status: int, body: str, version: int) -> bool:
        """Learn from a refusal of a call sent under ``version``; return whether to send it again at once."""
        if status not in _REFUSING:
            return False
        if version != self.version:
            return True  # another call learnt in the meantime
        return self._learn_parameter(body) or self._learn_structure(status, body)

    def _learn_parameter(self, body: str) -> bool:
        if not _UNKNOWN.search(body):
            return False
        if "max_completion_tokens" in body and self.limit_name == "max_tokens" and "max_tokens" in body:
            self.limit_name = "max_completion_tokens"
        elif "max_completion_tokens" in body and self.limit_name == "max_completion_tokens":
            self.limit_name = "max_tokens"
        elif self.logprobs and "logprobs" in body:
            self.logprobs = False
        elif self.temperature and "temperature" in body:
            self.temperature = False
        elif self.seed and re.search(r"\bseed\b", body):
            self.seed = False
        else:
            return False
        self.version += 1
        return True

    def _learn_structure(self, status: int, body: str) -> bool:
        if self.works and status >= 500:  # noqa: PLR2004 - it has worked: an error of the server's
            return False
        explained = _STRUCTURE.search(body) is not None
        if not explained and status != 500:  # noqa: PLR2004
            return False
        if not explained:
            self._errors += 1
            if self._errors < UNEXPLAINED and self._before_trial is None:
                return False
        return self._step_down(explained=explained)

    def _step_down(self, *, explained: bool) -> bool:
        less = _LESS.get(self.structure)
        if less is not None:
            if not explained:
                self._before_trial = self._before_trial or self.structure
            self.structure, self.works = less, False
        elif self._before_trial is not None:  # nothing helps: it wasn't the structure
            self.structure, self._before_trial, self._errors = self._before_trial, None, -UNEXPLAINED
            self.version += 1
            return False
        else:
            return False
        self.version += 1
        return True
