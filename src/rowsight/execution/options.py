"""How a run is made: the model, where it is served, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rowsight.core.errors import InputError
from rowsight.core.events import CurvePoint

SEEDS = 2**32
"""How many seeds there are: what the generators of random numbers take."""


@dataclass(frozen=True)
class RunOptions:
    """Options of one run; the Python keywords and the CLI options are these.

    model: the model's name. base_url: an OpenAI-compatible server, or several that
    serve the model (each may end in ``;weight=2;priority=1``; default ``OPENAI_BASE_URL`` or OpenAI's own).
    api_key_env: the environment variable that holds the key. endpoints: a TOML file of endpoints, in place of base_url.
    concurrency: most calls in flight. rpm, tpm: most requests and tokens a minute. budget: ``500calls``, ``2Mtokens`` or
    ``3.50usd``. price_in, price_out: US dollars per million tokens. timeout: seconds without an answer before a call
    counts as hung. attempts: most requests for one question, the first and the repair included. max_tokens: cap of a
    completion. cascade: the name of a cheaper model between proxy and oracle, used for certified questions where it saves
    money; it is served where the model is, or where the endpoints file says. cascade_price_in, cascade_price_out: its
    prices. rows_per_call: most short rows that share one request; rows whose draw proves a guarantee are asked alone.
    truncate: cut rows that are longer than the model's window instead of failing them. on_failure: ``null``
    leaves failed rows without an answer, ``raise`` raises at the end, after keeping everything. features: what a proxy sees
    beside the words: a column of vectors, or a function that makes vectors (rows x dimensions) of a list of texts, such
    as an embedding model's. seed: seeds every random
    choice. stop_when: called with each ``CurvePoint`` of a certified run; where it says yes, the run stops with the
    certificate reached so far. self_agreement: so many
    rows of a certified question are asked twice, and the certificate says on how many the model agrees with itself. ledger:
    keep a durable ledger (else answers live as long as the run). store_prompts: keep prompts there too.
    """

    model: str
    base_url: str | Sequence[str] | None = None
    api_key_env: str = "OPENAI_API_KEY"
    endpoints: Path | None = None
    concurrency: int = 256
    rpm: int | None = None
    tpm: int | None = None
    budget: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    timeout: float = 60.0
    attempts: int = 6
    max_tokens: int | None = None
    rows_per_call: int = 1
    truncate: bool = False
    on_failure: Literal["null", "raise"] = "null"
    seed: int = 0
    self_agreement: int = 0
    ledger: bool = True
    cascade: str | Sequence[str] = ()
    cascade_price_in: float | None = None
    cascade_price_out: float | None = None
    features: str | Callable[[list[str]], Any] | None = None
    store_prompts: bool = False
    stop_when: Callable[[CurvePoint], bool] | None = None

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError("the model's name is empty; name one, such as model='gpt-5-mini'")
        for name in ("concurrency", "rpm", "tpm", "attempts", "max_tokens", "rows_per_call", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name}={value:g} is not positive; give a number above 0")
        self._check_cascade()
        for name in ("price_in", "price_out", "cascade_price_in", "cascade_price_out"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"{name}={value:g} is no price; give US dollars per million tokens")
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"seed={self.seed} is out of range; give a whole number from 0 to {SEEDS - 1}")
        if self.self_agreement < 0:
            raise InputError(f"self_agreement={self.self_agreement} is negative; give the number of rows to ask twice")
        if self.on_failure not in ("null", "raise"):
            raise InputError(f"on_failure={self.on_failure!r} is unknown; use 'null' or 'raise'")

    @property
    def middle(self) -> RunOptions | None:
        """The options under which the model between proxy and oracle is asked, ``None`` where there is none."""
        names = self._cascaded
        if not names:
            return None
        prices = self.cascade_price_in, self.cascade_price_out
        alone = replace(self, cascade=(), cascade_price_in=None, cascade_price_out=None)
        return replace(alone, model=names[0], price_in=prices[0], price_out=prices[1])

    @property
    def _cascaded(self) -> list[str]:
        return [self.cascade] if isinstance(self.cascade, str) else list(self.cascade)

    def _check_cascade(self) -> None:
        names = self._cascaded
        if len(names) > 1:
            raise InputError(
                f"cascade names {len(names)} models ({', '.join(names)}); name one between proxy and oracle"
            )
        if names and not names[0].strip():
            raise InputError("the name in cascade is empty; name a model, such as cascade=['gpt-5-nano']")
        if names == [self.model]:
            raise InputError(f"cascade names {self.model!r}, which is the model itself; name a cheaper one")
        if not names and (self.cascade_price_in is not None or self.cascade_price_out is not None):
            raise InputError(
                "cascade_price_in and cascade_price_out are prices of a cascade's model; name it with cascade"
            )
