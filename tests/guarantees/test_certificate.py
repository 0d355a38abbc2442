import copy
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from rowsight.core.errors import InputError
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import Ask
from rowsight.guarantees import verifier
from rowsight.guarantees.certificate import Certificate, canonical
from rowsight.plan.guarantee import Guarantee


class Line:
    """Rows on a line; the sign is the label, but for a few that are flipped or can't be answered."""

    def __init__(self, rows=1500):
        rng = np.random.default_rng(5)
        self.x = np.column_stack([rng.uniform(-1, 1, rows), rng.normal(size=rows) * 0.1]).astype(np.float32)
        self.labels = (self.x[:, 0] > 0).astype(np.int64)
        self.labels[rng.choice(rows, 45, replace=False)] ^= 1
        self.labels[rng.choice(rows, 12, replace=False)] = -1
        self.count = rows

    def features(self, rows):
        return self.x[rows]

    def chunks(self):
        yield 0, self.x


@pytest.fixture(scope="module")
def made():
    table = Line()
    cascade = cascade_for(table, Guarantee(accuracy=0.9), classes=2, seed=4)
    reply = None
    while True:
        try:
            request = cascade.send(reply)
        except StopIteration as done:
            return done.value, table.labels
        reply = table.labels[request.rows] if isinstance(request, Ask) else None


def body_of(made):
    return json.loads(json.dumps(made[0].certificate))


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    elif isinstance(value, list) and value:
        for place in sorted({0, len(value) - 1}):
            yield from leaves(value[place], (*path, place))
    else:
        yield path, value


def altered(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return ("A" if value[:1] != "A" else "B") + value[1:]
    return [0] if value == [] else 0


def tampered(body, path):
    changed = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = altered(place[path[-1]])
    return changed


def refuted(body):
    try:
        verifier.verify(body)
    except verifier.Refuted:
        return True
    return False


def resealed(body):
    rest = {key: value for key, value in body.items() if key != "digest"}
    return {**rest, "digest": sha256(canonical(rest)).hexdigest()}


def test_certificate_replays(made):
    body = body_of(made)
    assert verifier.verify(body) == body["statement"]["en"]
    claim = body["proof"]["claims"][0]
    assert claim["test"] is not None
    assert claim["errors"] > 0
    assert body["unanswered"] > 0


def test_any_field_that_is_changed_is_noticed(made):
    body = body_of(made)
    for path, _ in leaves(body):
        with pytest.raises(verifier.Refuted):
            verifier.verify(tampered(body, path))


FREE = {"not_covered", "by", "within", "training", "asked", "proxied"}
"""What the digest alone protects: words, and counts that the proof doesn't rest on (they must still add up)."""


def test_a_forger_who_mends_the_digest_is_caught_by_the_proof(made):
    body = body_of(made)
    unused = {
        ("proof", "tests", i) for i in range(len(body["proof"]["tests"])) if i != body["proof"]["claims"][0]["test"]
    }
    for path, _ in leaves(body):
        wording = (
            path[0] in FREE - {"asked", "proxied"} or path[:2] == ("statement", "en") or path[:2] == ("statement", "zh")
        )
        harmless = path[:3] in unused and path[3] != "level"
        if path == ("digest",) or wording or harmless or path[-1] == "group" or "answers" in path:
            continue
        assert refuted(resealed(tampered(body, path))), f"{path} was changed unnoticed"


def test_a_sample_that_disagrees_with_its_count_is_refuted(made):
    body = body_of(made)
    pool, claim = body["proof"]["pools"][0], body["proof"]["claims"][0]
    wrong = next(i for i, (a, p) in enumerate(zip(pool["answers"], pool["proxies"], strict=True)) if a != p)
    pool["answers"][wrong] = pool["proxies"][wrong]
    claim["errors"] -= 1
    with pytest.raises(verifier.Refuted):
        verifier.verify(resealed(body))


def test_saved_loaded_and_checked_by_a_bare_interpreter(made, tmp_path):
    decision, labels = made
    file = tmp_path / "c.json"
    certificate = Certificate(decision.certificate, decision.answers)
    certificate.save(file)
    loaded = Certificate.load(file)
    assert loaded == certificate
    script = Path(verifier.__file__)
    ran = subprocess.run([sys.executable, "-I", script, file], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("HOLDS: Over these 1,500 rows, at least 90% of the answers equal")
    file.write_text(file.read_text().replace('"seed": 4', '"seed": 5'))
    ran = subprocess.run([sys.executable, "-I", script, file], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout.startswith("REFUTED: ")
    assert certificate.verify(labels)["accuracy"] >= 0.9
    assert loaded.verify(labels, decision.answers) == certificate.verify(labels)


def test_words_in_two_languages(made):
    statement = made[0].certificate["statement"]
    assert "at least 90% of the answers equal the model's own answers" in statement["en"]
    assert "至少 90% 的答案与模型逐行作答的结果一致" in statement["zh"]


def test_no_text_is_in_it(made):
    pool = body_of(made)["proof"]["pools"][0]
    assert set(pool) == {"name", "codes", "size", "key", "proxies_sha256", "rows", "answers", "proxies"}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}'])
def test_what_is_no_certificate_is_refused(tmp_path, text):
    file = tmp_path / "c.json"
    file.write_text(text)
    with pytest.raises(InputError, match="certificate"):
        Certificate.load(file)
    assert verifier.main([str(file)]) in {1, 2}


def test_a_loaded_certificate_needs_the_answers(made):
    with pytest.raises(InputError, match="pass them"):
        Certificate(body_of(made)).verify(made[1])


@pytest.mark.parametrize("demand", [{"precision": 0.9, "recall": 0.9}, {"recall": 0.9}, {"precision": 0.9}])
def test_zones_replay_and_hold(demand):
    table = Line(3000)
    table.labels = np.maximum(table.labels, 0)
    cascade = cascade_for(table, Guarantee(**demand), seed=1, known=None, groups=None, attempt=1)
    reply = None
    while True:
        try:
            request = cascade.send(reply)
        except StopIteration as done:
            decision = done.value
            break
        reply = table.labels[request.rows] if isinstance(request, Ask) else None
    body = json.loads(json.dumps(decision.certificate))
    assert verifier.verify(body) == body["statement"]["en"]
    figures = Certificate(body, decision.answers).verify(table.labels)
    assert set(figures) == set(demand)
    assert all(figures[metric] >= level for metric, level in demand.items())
    claim = body["proof"]["claims"][0]
    claim["upper"] -= 1
    claim["remaining"] -= 1
    assert refuted(resealed(body))
