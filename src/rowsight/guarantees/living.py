"""One certificate over a table that grows: versions certified one after another, bounds added up.

Version k is the rows that came since version k - 1. It is certified by a proof of its own over these rows alone, at
the failure probability ``d / (i (i + 1))``, i counting the versions of which rows were drawn, finished or not. The shares
add up to d, so with probability 1 - d *all bounds of all versions hold at once*, those to come included. What follows is
arithmetic on bounds that hold:

- At most ``W_k`` of the rows that version k left to the proxy are wrong. Of those that still stand in the table at most
  ``min(W_k, how many stand)`` are: rows that left take errors with them, never bring any.
- Over all rows that stand, wrong answers are at most the sum. So are rows kept wrongly (``F``) and rows missed (``M``), and
  of the rows kept at least ``T = kept - F`` are right. Accuracy, precision and recall follow as for one table.
- A version may spend what earlier ones left: its budget is that of all rows less the earlier bounds. Its own bound holds
  for every budget, so which budget it is held against may depend on everything before.
- Where rows have left and the bounds on those that stay no longer suffice, a version is *opened again*: its proxied rows
  become new rows, certified as such. Which rows these are is fixed before their draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from math import nextafter
from typing import Any

from rowsight.guarantees.certificate import LIVING_FORMAT, NOT_COVERED, canonical, promised_levels, with_reached_levels

PART_FORMAT = "rowsight-living-version/1"


def version_confidence(confidence: float, index: int) -> float:
    """Return the confidence of the ``index``-th version drawn from: 1 - d / (i (i + 1)), never below it."""
    share = version_share(confidence, index)
    found = float(1 - share)
    while 1 - Fraction(repr(found)) > share:
        found = nextafter(found, 1.0)
    return found


def version_share(confidence: float, index: int) -> Fraction:
    """Return the failure probability that the ``index``-th version drawn from may spend."""
    return (1 - Fraction(repr(float(confidence)))) / (index * (index + 1))


@dataclass(frozen=True, slots=True)
class Carried:
    """What earlier versions come to over the rows that stand: counts of rows, and at most so many wrong, by metric."""

    rows: int = 0
    kept: int = 0
    wrong: Mapping[str, int] = field(default_factory=dict)

    def budget(self, metric: str, level: float, *, rows: int = 0, kept: int = 0, false: int = 0) -> int:
        """Return how many of a version's answers may be wrong, in exact arithmetic.

        ``rows``, ``kept``: of the version; ``false``: at most so many of the rows it keeps are wrong (for recall).
        """
        return int(self._allowed(metric, level, rows, kept, false)) - self.wrong.get(metric, 0)

    def spare(self, metric: str, level: float) -> float:
        """Return how many errors the earlier versions leave, for plans."""
        return float(self._allowed(metric, level, 0, 0, 0)) - self.wrong.get(metric, 0)

    def _allowed(self, metric: str, level: float, rows: int, kept: int, false: int) -> Fraction:
        share = Fraction(repr(float(level)))
        match metric:
            case "accuracy":
                return (1 - share) * (rows + self.rows)
            case "precision":
                return (1 - share) * (kept + self.kept)
            case "recall":
                right = kept + self.kept - false - self.wrong.get("precision", 0)
                return (1 - share) / share * max(right, 0)
            case _:
                return share * (rows + self.rows)


@dataclass(frozen=True, slots=True)
class Part:
    """What was proved of one version, and its rows that stand in the table, by what became of them.

    ``bounds``: at most so many of the version's proxied answers are wrong, by metric. ``kept``: answered yes; ``accepted``:
    those of them that the proxy answered; ``lost``: without an answer.
    """

    bounds: Mapping[str, int]
    rows: int
    proxied: int = 0
    kept: int = 0
    accepted: int = 0
    lost: int = 0

    def wrong(self, metric: str) -> int:
        """Return how many of the rows are wrong at most, in the way that the metric counts."""
        pools = {"accuracy": self.proxied, "precision": self.accepted}
        pool = pools.get(metric, self.proxied - self.accepted)
        return min(self.bounds.get(metric, pool), pool) + (0 if metric == "precision" else self.lost)

    def counts(self) -> dict[str, int]:
        """Return the counts as a certificate holds them."""
        return {name: getattr(self, name) for name in ("rows", "proxied", "kept", "accepted", "lost")}


def bounds_of(body: Mapping[str, Any]) -> dict[str, int]:
    """Return what a version's certificate bounds its wrong proxied answers by; nothing where its model changed."""
    if len(body.get("oracle", ())) > 1:
        return {}
    return {claim["metric"]: claim["remaining"] - claim["lost"] for claim in body["proof"]["claims"]}


def carried_by(parts: Sequence[Part], metrics: Sequence[str]) -> Carried:
    """Add up what earlier versions come to."""
    wrong = {metric: sum(p.wrong(metric) for p in parts) for metric in {*metrics, "precision"}}
    return Carried(sum(p.rows for p in parts), sum(p.kept for p in parts), wrong)


def claims_of(parts: Sequence[Part], levels: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what the parts prove together: one entry a metric demanded."""
    whole = carried_by(parts, list(levels))
    claims = []
    for metric, level in levels.items():
        budget = whole.budget(metric, level) + whole.wrong[metric]
        remaining = whole.wrong[metric]
        claims.append(
            {
                "metric": metric,
                "group": 0,
                "rows": whole.rows,
                "kept": whole.kept,
                "budget": budget,
                "remaining": remaining,
                "holds": remaining <= budget,
            }
        )
    return claims


def reached_by(parts: Sequence[Part], metrics: Sequence[str]) -> dict[str, float]:
    """Return the level of each metric that the parts prove; of nothing it is 1, and nothing of it is missed."""
    whole = carried_by(parts, metrics)
    right = max(whole.kept - whole.wrong["precision"], 0)
    found = {}
    for metric in metrics:
        wrong = whole.wrong[metric]
        if metric == "recall":
            found[metric] = right / (right + wrong) if right + wrong else 1.0
        else:
            of = whole.kept if metric == "precision" else whole.rows
            share = wrong / of if of else 0.0
            found[metric] = share if metric == "missed" else 1 - share
    return found


def to_open_again(parts: Sequence[Part], levels: Mapping[str, float]) -> list[int]:
    """Return which parts' proxied rows must be certified anew, so that what earlier versions leave is no debt.

    Those with the most errors a proxied row go first.
    """
    left, chosen = list(parts), []
    while not all(claim["holds"] for claim in claims_of(left, levels)):
        open_ = [i for i, part in enumerate(left) if part.proxied]
        if not open_:
            break
        worst = max(open_, key=lambda i: sum(left[i].wrong(m) for m in levels) / left[i].proxied)
        part = left[worst]
        left[worst] = Part({}, part.rows - part.proxied, kept=part.kept - part.accepted, lost=part.lost)
        chosen.append(worst)
    return sorted(chosen)


def living_body(
    head: Mapping[str, Any], versions: Sequence[tuple[Mapping[str, Any], Part]], levels: Mapping[str, float]
) -> dict[str, Any]:
    """Return the certificate over all rows that stand: the versions' certificates, what is left of each, the sums.

    ``head`` holds what the certificate speaks of: ``name``, ``confidence``, ``within``, ``table``, and what the last version
    came to.
    """
    parts = [part for _, part in versions]
    claims = claims_of(parts, levels)
    rows, proxied, lost = (sum(getattr(p, n) for p in parts) for n in ("rows", "proxied", "lost"))
    body = {
        "format": LIVING_FORMAT,
        **head,
        "metrics": [{"metric": metric, "level": level} for metric, level in levels.items()],
        "by": None,
        "rows": rows,
        "proxied": proxied,
        "oracle": list(dict.fromkeys(name for c, _ in versions for name in c.get("oracle", ()))),
        "certified": all(claim["holds"] for claim in claims),
        "reached": reached_by(parts, list(levels)),
        "proof": {
            "claims": claims,
            "versions": [{"certificate": c, "standing": p.counts()} for c, p in versions],
        },
    }
    body["asked"] = rows - proxied - lost
    body["statement"] = living_sentences(body, sum(p.rows > 0 for p in parts))
    full = {**body, "not_covered": list(NOT_COVERED)}
    return {**full, "digest": sha256(canonical(full)).hexdigest()}


def living_sentences(body: Mapping[str, Any], versions: int) -> dict[str, str]:
    """Say what the certificate of a living table promises, in English and in Chinese."""
    rows, failure = body["rows"], 1 - body["confidence"]
    said = {language: promised_levels(body, language) for language in ("en", "zh")}
    if not body["certified"]:
        proved = with_reached_levels(body)
        return {
            "en": f"Not certified: over these {rows:,} rows it is not proved that {said['en']}. Proved: "
            f"{promised_levels(proved, 'en')}; the chance that this is false is at most {failure:.3g}.",
            "zh": f"未能认证：在这 {rows:,} 行中未能证明{said['zh']}。已证明：{promised_levels(proved, 'zh')}；"
            f"此结论不成立的概率不超过 {failure:.3g}。",
        }
    came = "one version" if versions == 1 else f"{versions:,} versions"
    changed, changed_zh = "", ""
    if len(body["oracle"]) > 1:
        names = ", ".join(body["oracle"])
        changed = f" The model changed between versions ({names}): each row is held against the model that answered its version."
        changed_zh = f"模型在各版本之间发生过变化（{names}）：每一行都以其所在版本作答的模型为准。"
    return {
        "en": f"Over these {rows:,} rows, which came in {came}, {said['en']}; the chance that this statement "
        f"is false, for this version or any other of {body['name']!r}, is at most {failure:.3g}.{changed}",
        "zh": f"在这分 {versions:,} 个版本到来的 {rows:,} 行中，{said['zh']}；此结论（对“{body['name']}”的这一版本或任何"
        f"其他版本）不成立的概率不超过 {failure:.3g}。{changed_zh}",
    }


def part_sentences(name: str, version: int, body: Mapping[str, Any]) -> dict[str, str]:
    """Say what a version's certificate is for: it promises nothing alone."""
    rows = body["rows"]
    return {
        "en": f"Version {version:,} of {name!r}, {rows:,} rows: its bounds are a part of the proof that over all rows "
        f"{promised_levels(body, 'en')}.",
        "zh": f"“{name}”的第 {version:,} 个版本，{rows:,} 行：其上界用于证明在所有行中，{promised_levels(body, 'zh')}。",
    }
