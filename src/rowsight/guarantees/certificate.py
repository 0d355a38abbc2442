"""Certificates: what a run can prove, in plain words and in numbers that anyone can replay.

The body is JSON; ``docs/certificates.md`` describes every field. It holds no row text: rows are named by their position
in the table, and answers by the codes of classes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import compress

import numpy as np

from rowsight.core.errors import InputError
from rowsight.core.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

FORMAT = "rowsight-certificate/1"
LIVING_FORMAT = "rowsight-living/1"
"""Of the certificate of a living table, which holds those of its versions."""
_DIGESTED = 1_000_000
"""Values that are widened at once when an array is digested."""
NOT_COVERED = (
    "Agreement with the model's recorded answers is certified, not truth about the world.",
    "Other rows, other questions and other models are not covered.",
    "Counts and averages computed from the answers are not covered.",
)


def canonical(value: Any) -> bytes:
    """Serialise to the one JSON text that digests are taken of: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pack(codes: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Pack one small code a row (0..65535): zlib, base64; with the digest of the unpacked little-endian bytes."""
    width, raw = _bytes_of(codes)
    return {"width": width, "data": b64encode(compress(raw, 1)).decode(), "sha256": sha256(raw).hexdigest()}


def _bytes_of(codes: NDArray[np.integer[Any]]) -> tuple[int, bytes]:
    """Return the bytes a code takes, and all codes as little-endian bytes."""
    width = 1 if int(codes.max(initial=0)) <= np.iinfo(np.uint8).max else 2
    return width, codes.astype(f"<u{width}").tobytes()


def pool_key(strata: NDArray[np.integer[Any]], pool: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> str:
    """Digest all that a pool's draw must not be chosen after: its rows and their strata, its tests, the proxy's answers.

    ``strata``: one code a row of the table; ``pool``: with ``codes`` and ``proxies_sha256``; ``tests``: those on the pool.
    """
    kept = np.zeros(int(strata.max(initial=0)) + 1, dtype=np.uint16)
    codes = [code for code in pool["codes"] if code < len(kept)]
    kept[codes] = codes
    rows = sha256(_bytes_of(kept[strata])[1]).hexdigest()
    plans = [{name: test[name] for name in ("codes", "size", "level", "prior")} for test in tests]
    return sha256(canonical({"rows": rows, "tests": plans, "proxies": pool["proxies_sha256"]})).hexdigest()


def array_digest(values: NDArray[Any]) -> str:
    """Digest an array's values (integers as 64 bits, floats as doubles, little endian)."""
    kind = "<i8" if np.issubdtype(values.dtype, np.integer) else "<f8"
    digest = sha256()
    for start in range(0, len(values), _DIGESTED):
        digest.update(values[start : start + _DIGESTED].astype(kind).tobytes())
    return digest.hexdigest()


def plain(values: NDArray[Any]) -> list[int | float | None]:
    """Turn answers into JSON: numbers, and ``None`` where there is no answer."""
    if np.issubdtype(values.dtype, np.integer):
        return [int(v) if v >= 0 else None for v in values]
    return [float(v) if np.isfinite(v) else None for v in values]


def seal(body: dict[str, Any], not_covered: Sequence[str] = NOT_COVERED, *, form: str = FORMAT) -> dict[str, Any]:
    """Add what every certificate says last: what it doesn't cover, and the digest over all the rest."""
    full = {"format": form, **body, "not_covered": list(not_covered)}
    return {**full, "digest": sha256(canonical(full)).hexdigest()}


def sentences(body: Mapping[str, Any]) -> dict[str, str]:
    """Say in one sentence, in English and in Chinese, what the body's metrics promise."""
    rows, confidence = body["rows"], body["confidence"]
    if not body["certified"] and body.get("stopped") and any(body["reached"].values()):
        return _so_far(body)
    if not body["certified"] and (skipped := body.get("skipped")):
        return {
            "en": f"Not certified: stopped with {skipped:,} of {rows:,} rows not asked, before it was proved that "
            f"{promised_levels(body, 'en')}.",
            "zh": f"未能认证：在证明{promised_levels(body, 'zh')}之前已停止，{rows:,} 行中有 {skipped:,} 行未提问。",
        }
    if not body["certified"]:
        return {
            "en": f"Not certified: of {rows:,} rows too many have no answer to promise {promised_levels(body, 'en')}.",
            "zh": f"未能认证：{rows:,} 行中没有答案的行过多，无法保证{promised_levels(body, 'zh')}。",
        }
    per = f" in every group of {body['by']}" if body.get("by") else ""
    each = f"在 {body['by']} 的每一组内，" if body.get("by") else ""
    return {
        "en": f"Over these {rows:,} rows{per}, {promised_levels(body, 'en')}; the chance that this statement is false "
        f"is at most {1 - confidence:.3g}.",
        "zh": f"{each}在这 {rows:,} 行中，{promised_levels(body, 'zh')}；此结论不成立的概率不超过 {1 - confidence:.3g}。",
    }


def _so_far(body: Mapping[str, Any]) -> dict[str, str]:
    """Say what a run that stopped early had proved by then."""
    rows, failure = body["rows"], 1 - body["confidence"]
    proved = with_reached_levels(body)
    return {
        "en": f"Not certified: stopped before it was proved that {promised_levels(body, 'en')}. Proved by then, over these "
        f"{rows:,} rows: {promised_levels(proved, 'en')}; the chance that this is false is at most {failure:.3g}.",
        "zh": f"未能认证：在证明{promised_levels(body, 'zh')}之前已停止。在这 {rows:,} 行中，到那时已证明："
        f"{promised_levels(proved, 'zh')}；此结论不成立的概率不超过 {failure:.3g}。",
    }


def with_reached_levels(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with the levels reached in place of those demanded, to four digits that are proved."""
    digits = {metric: ceil if metric == "missed" else floor for metric in body["reached"]}
    reached = [{"metric": m, "level": digits[m](1e4 * level) / 1e4} for m, level in body["reached"].items()]
    return {**body, "metrics": reached}


def promised_levels(body: Mapping[str, Any], language: str) -> str:
    """Say the levels of a body's metrics in words."""
    within = body.get("within")
    words = {
        "accuracy": (
            "at least {:.4g}% of the answers equal the model's own answers",
            "至少 {:.4g}% 的答案与模型逐行作答的结果一致",
        ),
        "precision": (
            "at least {:.4g}% of the kept rows are rows the model would keep",
            "保留的行中至少 {:.4g}% 是模型会保留的",
        ),
        "recall": (
            "at least {:.4g}% of the rows the model would keep are kept",
            "模型会保留的行中至少 {:.4g}% 被保留",
        ),
        "missed": (
            "at most {:.4g}% of all rows are rows that the model would keep and that are not kept",
            "所有行中至多 {:.4g}% 是模型会保留却未被保留的",
        ),
    }
    if within is not None:
        words["accuracy"] = (
            f"at least {{:.4g}}% of the answers are within {within:g} of the model's own answers",
            f"至少 {{:.4g}}% 的答案与模型逐行作答的结果相差不超过 {within:g}",
        )
    place, joint = (0, " and ") if language == "en" else (1, "，且")
    return joint.join(words[m["metric"]][place].format(100 * m["level"]) for m in body["metrics"])


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's body, and (in the run that made it) the answers it speaks of."""

    body: dict[str, Any]
    answers: NDArray[Any] | None = field(default=None, repr=False, compare=False)

    @property
    def statement(self) -> str:
        """The promise in one English sentence."""
        return str(self.body["statement"]["en"])

    @property
    def certified(self) -> bool:
        """Whether the promise was proved."""
        return bool(self.body["certified"])

    def save(self, path: str | Path) -> None:
        """Write the body as JSON, whole or not at all; anyone can check it with the stand-alone verifier."""
        with replacing(Path(path)) as file:
            file.write(json.dumps(self.body, ensure_ascii=False, indent=1).encode())

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read a certificate that ``save`` wrote."""
        try:
            body = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} can't be read as a certificate: {error}") from error
        if not isinstance(body, dict) or body.get("format") not in (FORMAT, LIVING_FORMAT):
            raise InputError(f"{path} is not a certificate of the format {FORMAT} or {LIVING_FORMAT}")
        return cls(body)

    def verify(self, truth: ArrayLike, answers: ArrayLike | None = None) -> dict[str, float]:
        """Compute the real figures against known answers, one a row (same codes or numbers as the answers).

        ``answers`` is needed only for a certificate that was loaded from a file.
        """
        given = self.answers if answers is None else np.asarray(answers)
        if given is None:
            raise InputError("a loaded certificate doesn't hold the answers; pass them: verify(truth, answers)")
        return real_figures(
            given, np.asarray(truth), [m["metric"] for m in self.body["metrics"]], self.body.get("within")
        )


def real_figures(
    answers: NDArray[Any], truth: NDArray[Any], metrics: Sequence[str], within: float | None
) -> dict[str, float]:
    """Accuracy, precision, recall and the share missed of answers against the truth; no error is possible in nothing."""
    if answers.shape != truth.shape:
        raise InputError(f"there are {len(answers)} answers and {len(truth)} rows of truth; give one a row")
    right = answers == truth if within is None else np.abs(answers - truth) <= within
    hits = np.sum((answers == 1) & (truth == 1))
    figures = {
        "accuracy": _share(np.sum(right), len(truth)),
        "precision": _share(hits, np.sum(answers == 1)),
        "recall": _share(hits, np.sum(truth == 1)),
        "missed": float(np.mean((truth == 1) & (answers != 1))) if len(truth) else 0.0,
    }
    return {metric: figures[metric] for metric in metrics}


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else 1.0
