"""Check a Rowsight certificate offline: ``python verifier.py certificate.json``.

Stands alone: the standard library only, nothing shared with the engine that wrote the certificate. It replays the
random draw from the seed, recounts the errors in the sample, recomputes the evidence, the budgets and the shares of the
failure probability, and compares the verdict. ``docs/certificates.md`` describes the fields and what can't be checked
offline.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import sys
import zlib
from array import array
from fractions import Fraction
from itertools import compress
from typing import Any

FORMAT, LIVING, VERSION = "rowsight-certificate/1", "rowsight-living/1", "rowsight-living-version/1"

MOST_CODES = 1 << 16
Strata = bytes | array  # type: ignore[type-arg]  # codes of one byte, or array("H"): ten million rows in 10 or 20 MB


class Refuted(Exception):  # noqa: N818 - the verdict, not a malfunction
    """A statement in the certificate that isn't so."""


def check(holds: bool, complaint: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refute the certificate unless ``holds``."""
    if not holds:
        raise Refuted(complaint)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON text: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def allowed(level: float, rows: int) -> int:
    """Rows that may be wrong: ``floor((1 - level) rows)`` in exact arithmetic."""
    return math.floor((1 - Fraction(repr(level))) * rows)


def spendable(failure: Fraction, attempt: int) -> float:
    """Failure probability of the k-th attempt: nine tenths of all for the first, the rest as 6 / (pi (k-1))^2."""
    if attempt == 1:
        return float(failure) * 0.9
    return float(failure) * 0.1 * 6 / (math.pi * (attempt - 1)) ** 2


def draws(key: bytes, size: int) -> Any:
    """Yield the places 0..size-1 in the order that the key fixes: a Fisher-Yates shuffle driven by SHA-256."""
    moved: dict[int, int] = {}
    for i in range(size):
        word = hashlib.sha256(key + i.to_bytes(8, "big")).digest()[:16]
        other = i + int.from_bytes(word, "big") % (size - i)
        yield moved.get(other, other)
        moved[other] = moved.pop(i, i)


def log_evidence(errors: int, drawn: int, total: int, size: int, prior: dict[str, list[float]]) -> float:
    """Log of (mixture of beta-binomials) / (probability of the draw if ``total`` of ``size`` rows are errors)."""
    g, right = math.lgamma, drawn - errors
    parts = []
    for weight, a, b in zip(prior["weights"], prior["a"], prior["b"], strict=True):
        seen = g(a + errors) + g(b + right) - g(a + b + drawn)
        parts.append(math.log(weight) + seen - (g(a) + g(b) - g(a + b)))
    top = max(parts)
    mixture = top + math.log(sum(math.exp(part - top) for part in parts))
    wrong_ways = g(total + 1) - g(total - errors + 1)
    right_ways = g(size - total + 1) - g(size - total - right + 1)
    return mixture - (wrong_ways + right_ways - (g(size + 1) - g(size - drawn + 1)))


def is_error(answer: float | None, proxy: float, within: float | None) -> bool:
    """Whether the proxy's answer is wrong; a row that the oracle could not answer is wrong too."""
    if answer is None:
        return True
    return answer != proxy if within is None else not abs(answer - proxy) <= within


def strata_of(proof: dict[str, Any], rows: int) -> Strata:
    """Unpack the frozen strata: one code a row."""
    packed = proof["strata"]
    if packed is None:
        return bytes(rows)
    raw = zlib.decompress(base64.b64decode(packed["data"], validate=True))
    check(hashlib.sha256(raw).hexdigest() == packed["sha256"], "the frozen order doesn't match its digest")
    check(packed["width"] in {1, 2}, "codes have one byte or two")
    codes = raw if packed["width"] == 1 else little_endian(array("H", raw))
    check(len(codes) == rows, "the frozen order is not one code a row")
    return codes


def little_endian(codes: array[int]) -> array[int]:
    """Return 16-bit codes out of this machine's order of bytes into little-endian order, or back."""
    if sys.byteorder == "big":
        codes.byteswap()
    return codes


def marks(strata: Strata, codes: set[int]) -> bytes:
    """Return one byte a row: 1 where its code is among ``codes``, else 0."""
    table = bytes(code in codes for code in range(MOST_CODES))
    return strata.translate(table[:256]) if isinstance(strata, bytes) else bytes(map(table.__getitem__, strata))


def frozen_key(body: dict[str, Any], pool: dict[str, Any], strata: Strata) -> str:
    """Digest what a pool's draw depends on: its rows and strata, its tests, the proxy's answers."""
    kept = [code if code in pool["codes"] else 0 for code in range(256 if isinstance(strata, bytes) else MOST_CODES)]
    if isinstance(strata, bytes):
        raw = strata.translate(bytes(kept))
    else:
        codes = array("H", map(kept.__getitem__, strata))
        raw = bytes(iter(codes)) if max(codes, default=0) < 256 else little_endian(codes).tobytes()  # noqa: PLR2004
    rows = hashlib.sha256(raw).hexdigest()
    parts, proof = ("codes", "size", "level", "prior"), body["proof"]
    tests = [{part: test[part] for part in parts} for test in proof["tests"] if proof["pools"][test["pool"]] is pool]
    return digest_of({"rows": rows, "tests": tests, "proxies": pool["proxies_sha256"]})


def check_draw(body: dict[str, Any], pool: dict[str, Any], strata: Strata, aim: list[int], needed: int) -> None:
    """Replay the pool's random order and compare the first ``needed`` rows of the strata ``aim`` with the sample."""
    of_pool, of_aim = set(pool["codes"]), set(aim)
    check(of_aim <= of_pool, f"a test on {pool['name']} reaches beyond its pool")
    members = array("Q", compress(range(len(strata)), marks(strata, of_pool)))
    check(len(members) == pool["size"], f"{pool['name']} doesn't have {pool['size']} rows")
    if pool["proxies_sha256"].startswith("all "):
        check({f"all {proxy}" for proxy in pool["proxies"]} <= {pool["proxies_sha256"]}, "a zone has two answers")
    check(pool["key"] == frozen_key(body, pool, strata), f"{pool['name']} was not frozen like this")
    text = f"rowsight-draw-1|{body['seed']}|{body['attempt']}|{pool['key']}|{pool['name']}"
    order = draws(hashlib.sha256(text.encode()).digest(), len(members))
    sample = [row for row in pool["rows"] if strata[row] in of_aim]
    check(len(sample) == needed, f"the sample of {pool['name']} doesn't have {needed} rows")
    for row in sample:
        expected = next(members[place] for place in order if strata[members[place]] in of_aim)
        check(row == expected, f"row {row} of {pool['name']} was not drawn by the seed")


def check_bound(claim: dict[str, Any], test: dict[str, Any], errors: list[bool], mended: int, size: int) -> None:
    """Recount the sample and recompute the evidence against every larger number of errors."""
    check(claim["drawn"] == len(errors) and claim["errors"] == sum(errors), "the sample's errors are miscounted")
    check(claim["mended"] == mended, "the mended errors are miscounted")
    check(test["size"] == size, "the test's population has another size")
    (drawn, found), upper = claim["reached"], claim["upper"]
    check(0 <= drawn <= len(errors) and sum(errors[:drawn]) == found, "the bound was not reached in this sample")
    check(abs(sum(test["prior"]["weights"]) - 1) < 1e-9, "the prior's weights don't add up to one")  # noqa: PLR2004
    null = upper + 1
    if null > found + size - drawn:
        return  # so many errors are impossible
    check(drawn > 0 and (null + 1) * drawn >= found * (size + 1), "the evidence doesn't grow beyond the bound")
    evidence = log_evidence(found, drawn, null, size, test["prior"])
    check(evidence >= math.log(1 / test["level"]), f"the evidence against {null} errors is too weak")


def budget_of(body: dict[str, Any], claim: dict[str, Any], level: float) -> int:
    """Errors that may remain. Recall: misses <= (1-r)/r of the rows kept rightly, of which a lower bound is known."""
    if claim["metric"] == "accuracy":
        return allowed(level, int(claim["rows"]))
    if claim["metric"] == "precision":
        return allowed(level, int(claim["kept"]))
    if claim["metric"] == "missed":
        return math.floor(Fraction(repr(level)) * int(claim["rows"]))
    group = [c for c in body["proof"]["claims"] if c["group"] == claim["group"] and c["metric"] == "precision"]
    false = sum(c["remaining"] for c in group)  # a metric that isn't demanded has an empty zone: nothing kept wrongly
    share = Fraction(repr(level))
    return int((1 - share) / share * max(int(claim["kept"]) - false, 0))


def check_claim(body: dict[str, Any], claim: dict[str, Any], strata: Strata) -> int:
    """Check one claim; return the rows without an answer that it accounts for."""
    levels = {m["metric"]: m["level"] for m in body["metrics"]}
    check(claim["metric"] in levels, f"no level is stated for {claim['metric']}")
    whole = body["format"] == FORMAT  # a version of a living table is held against the budget of all its versions
    check(not whole or claim["budget"] == budget_of(body, claim, levels[claim["metric"]]), "the budget is another one")
    proved, silent = claim["lost"], 0
    if claim["test"] is not None:
        test = body["proof"]["tests"][claim["test"]]
        pool = body["proof"]["pools"][test["pool"]]
        check_draw(body, pool, strata, test["codes"], claim["drawn"])
        aim = set(test["codes"])
        triples = zip(pool["rows"], pool["answers"], pool["proxies"], strict=True)
        inside = [(answer, proxy) for row, answer, proxy in triples if strata[row] in aim]
        errors = [is_error(answer, proxy, body["within"]) for answer, proxy in inside]
        silent = sum(answer is None for answer, _ in inside)
        check_bound(claim, test, errors, sum(errors) - silent, marks(strata, aim).count(1))
        proved += claim["upper"] - claim["mended"]
    check(claim["remaining"] == proved, "the remaining errors don't follow from the bound")
    check(claim["holds"] == (proved <= claim["budget"]), "the claim's verdict doesn't follow")
    return int(claim["lost"] + silent)


def check_counts(body: dict[str, Any], accounted: int) -> None:
    """Check what the totals say against the proof."""
    proof, rows = body["proof"], body["rows"]
    check(body["asked"] + body["proxied"] + body["unanswered"] + body["skipped"] == rows, "the rows don't add up")
    check(body["certifying"] == sum(len(pool["rows"]) for pool in proof["pools"]), "certifying labels are miscounted")
    failure = 1 - Fraction(repr(body["confidence"]))
    check(math.isclose(body["share"], spendable(failure, body["attempt"])), "the attempt spends another share")
    check(sum(test["level"] for test in proof["tests"]) <= body["share"] * (1 + 1e-9), "the tests spend too much")
    check(body["certified"] <= all(claim["holds"] for claim in proof["claims"]), "the verdict doesn't follow")
    claimed = {claim["metric"] for claim in proof["claims"]}
    stated = {m["metric"] for m in body["metrics"]}
    promised = rows and body["certified"]
    check(claimed == stated or not (claimed or promised), "a metric is stated and not claimed")
    if claimed == {"accuracy"}:
        check(body["certified"] == all(claim["holds"] for claim in proof["claims"]), "the verdict doesn't follow")
        check(sum(claim["rows"] for claim in proof["claims"]) == rows, "the groups don't add up to the table")
        check(accounted == body["unanswered"] + body["skipped"], "rows without an answer are unaccounted for")
        wrong = sum(claim["remaining"] for claim in proof["claims"])
        check(math.isclose(body["reached"]["accuracy"], 1 - wrong / rows if rows else 1.0), "another bound is reached")
    check_words(body)


def check_words(body: dict[str, Any]) -> None:
    """Check that the sentences name these rows and levels."""
    for text in body["statement"].values():
        check(f"{body['rows']:,}" in text, "the sentence speaks of another number of rows")
        check(all(f"{100 * m['level']:.4g}%" in text for m in body["metrics"]), "the sentence promises another level")


def check_living(body: dict[str, Any]) -> None:
    """Check the certificate of a living table: each version's proof, the shares of d, the sums over the rows that stand."""
    versions, claims = body["proof"]["versions"], body["proof"]["claims"]
    spent = [check_version(body, version["certificate"], version["standing"]) for version in versions]
    check(len(set(filter(None, spent))) == len([*filter(None, spent)]), "two versions spend the same share")
    rows, kept, proxied, lost = (sum(v["standing"][n] for v in versions) for n in ("rows", "kept", "proxied", "lost"))
    check([body["rows"], body["proxied"], body["asked"]] == [rows, proxied, rows - proxied - lost], "rows don't add up")
    check([claim["metric"] for claim in claims] == [m["metric"] for m in body["metrics"]], "other metrics are claimed")
    for claim, stated in zip(claims, body["metrics"], strict=True):
        remaining = sum(still_wrong(version, claim["metric"]) for version in versions)
        check(
            [claim["rows"], claim["kept"], claim["remaining"]] == [rows, kept, remaining],
            "the versions add up otherwise",
        )
        check(claim["budget"] == budget_of(body, claim, stated["level"]), "the budget is another one")
        check(claim["holds"] == (remaining <= claim["budget"]), "the claim's verdict doesn't follow")
    check(body["certified"] == all(claim["holds"] for claim in claims), "the verdict doesn't follow")
    check_words(body)


def check_version(body: dict[str, Any], version: dict[str, Any], standing: dict[str, int]) -> int | None:
    """Check one version of a living table; return the index of the share of d that it spent, if it drew rows."""
    for name in ("name", "metrics", "within"):
        check(version[name] == body[name], f"a version has another {name}")
    if len(version["oracle"]) <= 1:  # of others no bound is used
        check_proof(version, VERSION)
    index, share = version["index"], 1 - Fraction(repr(version["confidence"]))
    check(
        share <= (1 - Fraction(repr(body["confidence"]))) / (index * (index + 1)),
        "a version spends more than its share",
    )
    check(0 <= standing["accepted"] <= standing["proxied"] <= version["proxied"], "more rows stand than were answered")
    return index if version["certifying"] else None


def still_wrong(version: dict[str, Any], metric: str) -> int:
    """Bound the wrong answers among those of a version's rows that stand; nothing is proved where its model changed."""
    body, rows = version["certificate"], version["standing"]
    pool = {"accuracy": rows["proxied"], "precision": rows["accepted"]}.get(metric, rows["proxied"] - rows["accepted"])
    proved = body["proof"]["claims"] if len(body["oracle"]) <= 1 else []
    bounds = [c["remaining"] - c["lost"] for c in proved if c["metric"] == metric]
    return int(min([pool, *bounds]) + (0 if metric == "precision" else rows["lost"]))


def check_proof(body: dict[str, Any], form: str) -> None:
    """Check one certificate: its digest, its draws, its claims and its totals, or those of its versions."""
    check(body["format"] == form, f"this is not a certificate of the format {form}")
    rest = {name: value for name, value in body.items() if name != "digest"}
    check(digest_of(rest) == body["digest"], "the certificate was changed after it was made")
    if form == LIVING:
        return check_living(body)
    strata = strata_of(body["proof"], body["rows"])
    return check_counts(body, sum(check_claim(body, claim, strata) for claim in body["proof"]["claims"]))


def verify(body: dict[str, Any]) -> str:
    """Replay the proof in ``body``. Returns its statement; raises ``Refuted`` with the first thing that isn't so."""
    try:
        check_proof(body, LIVING if body["format"] == LIVING else FORMAT)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration, zlib.error) as error:
        raise Refuted(f"the certificate is malformed ({type(error).__name__}: {error})") from error
    return str(body["statement"]["en"])


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - stands alone
        body = json.load(file)
    if not isinstance(body, dict) or not str(body.get("format")).startswith("rowsight-"):
        raise ValueError("it names no format of Rowsight's")
    return body


def main(arguments: list[str]) -> int:
    """Check the certificate named on the command line: 0 it holds, 1 it is refuted or not certified, 2 bad input."""
    if len(arguments) != 1:
        sys.stderr.write("usage: verifier.py CERTIFICATE.json\n")
        return 2
    try:
        body = _read(arguments[0])
        statement = verify(body)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"rowsight: {arguments[0]} can't be read as a certificate: {error}\n")
        return 2
    except Refuted as refutation:
        sys.stdout.write(f"REFUTED: {refutation}\n")
        return 1
    sys.stdout.write(f"{'HOLDS' if body['certified'] else 'NOT CERTIFIED'}: {statement}\n")
    return 0 if body["certified"] else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
