"""What befalls a call: faults, latency and noise, each a function of the seed and of the call's place in line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Literal

from rowsight.calls.simulated.config import SimulationConfig

Fault = Literal["429", "500", "drop", "hang", "malformed", "refusal"]
_FAULTS: tuple[Fault, ...] = ("429", "500", "drop", "hang", "malformed", "refusal")
_SURE = 0.995


@dataclass(frozen=True, slots=True)
class Doubt:
    """How a model stands to a row: whether it errs, what picks its error, and how sure it sounds (0 to 1)."""

    wrong: bool
    pick: int
    confidence: float


def _stream(seed: int, name: str) -> Random:
    return Random(f"{seed}/{name}")  # noqa: S311 - reproducible faults, no secrets


class Fate:
    """Draws what befalls each call in turn; equal seeds and equal orders of calls meet equal fates."""

    def __init__(self, config: SimulationConfig) -> None:
        self._config = config
        self._faults, self._delays, self._noise = (_stream(config.seed, name) for name in ("fault", "delay", "noise"))
        self._calls = 0
        rates = [getattr(config, f"rate_{fault}") for fault in _FAULTS]
        self._bounds = [(sum(rates[: i + 1]), fault) for i, fault in enumerate(_FAULTS) if rates[i]]

    def next_fault(self) -> Fault | None:
        """Return the next call's fault, or ``None``."""
        self._calls += 1
        if not self._bounds:
            return None
        draw = self._faults.random()
        return next((fault for bound, fault in self._bounds if draw < bound), None)

    def next_delay(self) -> float:
        """Return the next call's latency in seconds."""
        config = self._config
        if not config.latency_sigma:
            return config.latency_ms / 1000
        return config.latency_ms / 1000 * math.exp(config.latency_sigma * self._delays.gauss(0, 1))

    def next_variant(self, count: int) -> int:
        """Return which of ``count`` variants of a fault to show."""
        return self._faults.randrange(count)

    @property
    def drifted(self) -> bool:
        """Whether the model has changed."""
        return self._config.drift_after is not None and self._calls > self._config.drift_after

    @property
    def fingerprint(self) -> str:
        """The model's ``system_fingerprint``."""
        return "fp_simulated_2" if self._config.drift_fingerprint and self.drifted else "fp_simulated"

    def doubt(self, question: str, text: bytes, model: str) -> Doubt:
        """Return whether the model errs on this row of this question now."""
        own = self._config.model_noise.get(model)
        share = own if own is not None else self._config.drift_noise if self.drifted else self._config.noise
        if not share:
            return Doubt(wrong=False, pick=0, confidence=_SURE)
        if self._config.noise_mode == "call":
            draw, pick = self._noise.random(), self._noise.getrandbits(32)
        else:
            whose = int(self.drifted) if own is None else model
            salt = f"{self._config.seed}/{whose}/{question}".encode()
            digest = blake2b(text, digest_size=16, key=blake2b(salt, digest_size=32).digest()).digest()
            draw, pick = int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:12])
        return Doubt(draw < share, pick, _confidence(draw, share))


def _confidence(draw: float, share: float) -> float:
    """Return .5 to .75 for rows that are wrong, up to .95 for twice as many that nearly were, else nearly 1."""
    if draw < share:
        return 0.5 + 0.25 * draw / share
    return 0.75 + 0.2 * (draw / share - 1) / 2 if draw < 3 * share else _SURE
