"""A model that summarises rows which state facts, and lies now and then: always in the same places for one seed.

A row states facts such as ``fact-17``. Asked for sentences the model repeats the facts of the rows with the rows that
state them; at times it adds a sentence that no row says with real ids, and cites ids that don't exist. Asked to check, it
tells the truth, but for a share of errors.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from rowsight.plan.template import unfence

FACT = re.compile(r"fact-\d+")
_MOST = re.compile(r"at most (\d+) sentences")
_CITES = re.compile(r"\(cites ([^)]*)\)\n<<<(c\d+)\n")


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that only ``parts`` decide."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


class LyingModel:
    def __init__(self, *, invents: float = 0.0, false_ids: float = 0.0, misjudges: float = 0.0, seed: int = 0) -> None:
        self.invents, self.false_ids, self.misjudges, self.seed = invents, false_ids, misjudges, seed
        self.invented = self.faked = 0
        self.requests: list[tuple[str, str]] = []

    def __call__(self, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        system, user = messages[0]["content"], messages[1]["content"]
        self.requests.append((system, user))
        blocks = [(name.partition("-")[0], text) for name, text in unfence(user)]
        return self.checks(user, blocks) if "checks" in schema["properties"] else self.sentences(system, user, blocks)

    def sentences(self, system: str, user: str, blocks: list[tuple[str, str]]) -> dict[str, Any]:
        stating: dict[str, list[str]] = {}
        for name, text in blocks:
            for fact in FACT.findall(text) or ([text] if text.startswith("invented") else []):
                stating.setdefault(fact, []).append(name)
        said = sorted(stating.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        found = [{"text": fact, "ids": ids[:12]} for fact, ids in said]
        leaf = blocks[0][0].startswith("r")
        if leaf and chance("invent", self.seed, user) < self.invents:
            self.invented += 1
            found.insert(0, {"text": f"invented {chance('what', user):.6f}", "ids": [blocks[0][0]]})
        if leaf and found and chance("id", self.seed, user) < self.false_ids:
            self.faked += 1
            found[-1]["ids"] = [*found[-1]["ids"][:11], "r9999"]
        return {"sentences": found[: int(_MOST.search(system).group(1))]}

    def checks(self, user: str, blocks: list[tuple[str, str]]) -> dict[str, Any]:
        texts = dict(blocks)
        cited = {c: ids.split(", ") for ids, c in _CITES.findall(user)}
        checks = []
        for name in (n for n in texts if n.startswith("c")):
            true = [i for i in cited[name] if texts[name] in texts[i].split()]
            wrong = chance("check", self.seed, texts[name], user) < self.misjudges
            checks.append({"id": name, "ids": true if not wrong else ([] if true else cited[name])})
        return {"checks": checks}
