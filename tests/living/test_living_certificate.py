"""The arithmetic of versions, and forged certificates of living tables."""

import copy
from fractions import Fraction
from hashlib import sha256

import pytest
from growing import TABLE
from hypothesis import given
from hypothesis import strategies as st

from rowsight.guarantees import verifier
from rowsight.guarantees.certificate import Certificate, canonical
from rowsight.guarantees.living import (
    Part,
    carried_by,
    claims_of,
    reached_by,
    to_open_again,
    version_confidence,
    version_share,
)


def test_the_shares_of_all_versions_add_up_to_the_failure_probability():
    shares = [1 - Fraction(repr(version_confidence(0.95, index))) for index in range(1, 400)]
    failure = 1 - Fraction("0.95")
    assert all(share <= version_share(0.95, i) for i, share in enumerate(shares, 1))
    assert Fraction(0.99) * failure < sum(shares) <= failure


@st.composite
def parts(draw):
    accepted, rejected, asked_yes, asked_no = (draw(st.integers(0, 60)) for _ in range(4))
    bounds = {m: draw(st.integers(0, 20)) for m in ("accuracy", "precision", "recall", "missed")}
    rows = accepted + rejected + asked_yes + asked_no
    return Part(bounds, rows, accepted + rejected, accepted + asked_yes, accepted)


LEVELS = st.sampled_from([{"accuracy": 0.9}, {"precision": 0.9, "recall": 0.8}, {"recall": 0.9}, {"missed": 0.02}])


@given(st.lists(parts(), max_size=6), LEVELS)
def test_after_opening_again_earlier_versions_leave_no_debt(found, levels):
    chosen = to_open_again(found, levels)
    left = [Part({}, p.rows - p.proxied, 0, p.kept - p.accepted) if i in chosen else p for i, p in enumerate(found)]
    assert all(claim["holds"] for claim in claims_of(left, levels))
    for i in chosen:
        fewer = [p if j == i else left[j] for j, p in enumerate(found)]
        assert found[i].proxied
        assert fewer[i] == found[i]


@given(st.lists(parts(), min_size=1, max_size=6), LEVELS)
def test_claims_hold_exactly_where_the_levels_are_reached(found, levels):
    reached = reached_by(found, list(levels))
    for claim in claims_of(found, levels):
        metric = claim["metric"]
        level, value = levels[metric], reached[metric]
        enough = value <= level + 1e-12 if metric == "missed" else value >= level - 1e-12
        assert claim["holds"] == enough


@given(st.lists(parts(), max_size=4), parts(), LEVELS)
def test_a_budget_left_is_what_the_whole_allows(earlier, last, levels):
    carried = carried_by(earlier, list(levels))
    claims = {claim["metric"]: claim for claim in claims_of([*earlier, last], levels)}
    for metric, level in levels.items():
        budget = carried.budget(metric, level, rows=last.rows, kept=last.kept, false=last.wrong("precision"))
        assert (last.wrong(metric) <= budget) == claims[metric]["holds"]


@pytest.fixture(scope="module")
def body(model, tmp_path_factory):
    from growing import Growing

    growing = Growing(tmp_path_factory.mktemp("living"), model)
    for rows in (600, 850):
        result = growing.filter(TABLE.slice(0, rows))
    return result.certificate.body


def resealed(body):
    for version in body["proof"]["versions"]:
        version["certificate"] = _sealed(version["certificate"])
    return _sealed(body)


def _sealed(body):
    rest = {key: value for key, value in body.items() if key != "digest"}
    return {**rest, "digest": sha256(canonical(rest)).hexdigest()}


def versions(body):
    return body["proof"]["versions"]


def part(body, number):
    return versions(body)[number]["certificate"]


def standing(body, number):
    return versions(body)[number]["standing"]


FORGERIES = {
    "a level": lambda b: b["metrics"][0].update(level=0.95),
    "rows": lambda b: b.update(rows=b["rows"] + 1),
    "rows that stand": lambda b: standing(b, 0).update(rows=standing(b, 0)["rows"] + 50),
    "more kept": lambda b: standing(b, 0).update(kept=standing(b, 0)["kept"] + 50),
    "more proxied than were": lambda b: standing(b, 0).update(proxied=2000),
    "a version left out": lambda b: versions(b).pop(),
    "a version twice": lambda b: versions(b).append(copy.deepcopy(versions(b)[0])),
    "the share of another version": lambda b: part(b, 1).update(index=1),
    "more confidence": lambda b: b.update(confidence=0.99),
    "a bound": lambda b: part(b, 1)["proof"]["claims"][0].update(upper=0, remaining=0),
    "a verdict": lambda b: b["proof"]["claims"][0].update(holds=False),
    "a sum": lambda b: b["proof"]["claims"][1].update(remaining=0),
    "the name": lambda b: b.update(name="other"),
    "an answer in a sample": lambda b: part(b, 0)["proof"]["pools"][0]["answers"].__setitem__(0, 1),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_forgeries_are_refuted(body, change):
    copied = copy.deepcopy(body)
    change(copied)
    with pytest.raises(verifier.Refuted):
        verifier.verify(resealed(copied))


def test_it_replays_is_saved_and_loaded(body, tmp_path):
    assert verifier.verify(resealed(body)) == body["statement"]["en"]
    Certificate(body).save(tmp_path / "c.json")
    assert Certificate.load(tmp_path / "c.json").body == body
    assert verifier.main([str(tmp_path / "c.json")]) == 0


def test_a_version_alone_is_no_certificate(body):
    with pytest.raises(verifier.Refuted, match="not a certificate of the format"):
        verifier.verify(body["proof"]["versions"][0]["certificate"])
