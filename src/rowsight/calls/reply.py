"""What one HTTP request came to: a reply, or a failure that says what it means for the row and for the endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from rowsight.calls.request import FailureReason, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, unchecked. ``model`` and ``fingerprint`` are the server's words about itself.

    ``usage`` is ``None`` where the server didn't count; ``logprob`` is the summed log-probability of the answer's tokens
    where the server gave it.
    """

    text: str
    model: str
    usage: Usage | None
    finish_reason: str | None = None
    fingerprint: str | None = None
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class SendFailure:
    """Why one request brought no answer; ``detail`` is for people and holds no secret and no row text.

    status: of the HTTP answer, if one came. retry_after: seconds that the server demands. fatal: this endpoint can't
    serve the model at all (key refused, model unknown). unreachable: no connection could be made. adapted: the endpoint
    doesn't bear a parameter that is left out from now on; send again at once. usage: tokens billed although no answer
    came, ``None`` where the server didn't say.
    """

    reason: FailureReason
    detail: str
    status: int | None = None
    retry_after: float | None = None
    fatal: bool = False
    unreachable: bool = False
    adapted: bool = False
    usage: Usage | None = field(default=None)


Sent = Reply | SendFailure
