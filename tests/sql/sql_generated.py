"""Random tables and random queries over them, in which AI calls stand wherever an expression may."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pyarrow as pa

LABELS = ["['a', 'b', 'c']", "['late', 'lost']"]
QUESTIONS = ["Is it late?", "Is it about money?", "Is it angry?"]


@dataclass
class Generated:
    """A query. ``whole``: the query without its LIMIT. ``ordered``: the rows' order is fixed. ``sites``: AI calls written."""

    text: str
    whole: str
    limit: int | None
    ordered: bool
    sites: int


def tables(seed):
    """Return three small tables with NULLs, duplicates and empty texts; one may be empty."""
    draw = random.Random(seed)
    words = ["", "late parcel", "refund", "all fine", "wo ist es", "迟到了", "x'y", "{body}"]

    def text():
        return draw.choice([None, *words]) if draw.random() < 0.5 else f"text {draw.randrange(40)}"

    n, k = draw.choice([0, 1, 12, 40, 150]), draw.choice([0, 5, 30])
    t = {
        "id": pa.array(range(n), pa.int64()),
        "body": pa.array([text() for _ in range(n)], pa.string()),
        "topic": pa.array([draw.choice(["a", "b", "late", None]) for _ in range(n)], pa.string()),
        "m": pa.array([draw.choice([0, 1, 2, 3, None]) for _ in range(n)], pa.int64()),
    }
    u = {
        "id": pa.array(range(k), pa.int64()),
        "tid": pa.array([draw.randrange(12) for _ in range(k)], pa.int64()),
        "txt": pa.array([text() for _ in range(k)], pa.string()),
        "n": pa.array([draw.choice([0, 1, 2, None]) for _ in range(k)], pa.int64()),
    }
    return {"t": pa.table(t), "u": pa.table(u)}


class Writer:
    """Writes one query. ``texts``, ``numbers``: the columns in reach."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.sites = 0

    def pick(self, *options):
        return self.draw.choice(options)()

    # expressions

    def text(self, c, depth=2):
        if depth <= 0:
            return self.draw.choice(c.texts)
        return self.pick(
            lambda: self.draw.choice(c.texts),
            lambda: self.draw.choice(c.texts),
            lambda: self.label(c, depth - 1),
            lambda: self.completed(c, depth - 1),
            lambda: f"upper({self.text(c, depth - 1)})",
            lambda: f"coalesce({self.text(c, depth - 1)}, {self.text(c, depth - 1)})",
            lambda: (
                f"CASE WHEN {self.bool(c, depth - 1)} THEN {self.text(c, depth - 1)} ELSE {self.text(c, depth - 1)} END"
            ),
            lambda: f"CASE {self.label(c, 0)} WHEN 'a' THEN {self.text(c, depth - 1)} WHEN 'late' THEN 'l' END",
        )

    def label(self, c, depth):
        self.sites += 1
        written = self.draw.choice(["AI_CLASSIFY({}, {})", "AI_CLASSIFY({}, {})['labels'][0]", "AI.CLASSIFY({}, categories => {})",
                                    "AI_CLASSIFY({}, {}):labels[0]", "ai_classify({}, {})"])  # fmt: skip
        return written.format(self.text(c, depth), self.draw.choice(LABELS))

    def completed(self, c, depth):
        self.sites += 1
        return f"AI_COMPLETE('m', 'Shorten ' || {self.text(c, depth)})"

    def number(self, c, depth=2):
        if depth <= 0:
            return self.draw.choice(c.numbers)
        return self.pick(
            lambda: self.draw.choice(c.numbers),
            lambda: str(self.draw.randrange(4)),
            lambda: f"length({self.text(c, depth - 1)})",
            lambda: self.score(c, depth - 1),
            lambda: f"{self.number(c, depth - 1)} + {self.number(c, depth - 1)}",
            lambda: f"if({self.bool(c, depth - 1)}, {self.number(c, depth - 1)}, 0)",
        )

    def score(self, c, depth):
        self.sites += 1
        return f"AI.SCORE(('How angry? ', {self.text(c, depth)}))"

    def ai(self, c, depth):
        self.sites += 1
        question = self.draw.choice(QUESTIONS)
        return self.pick(
            lambda: f"AI_FILTER('{question}', {self.text(c, depth)})",
            lambda: f"AI_FILTER(PROMPT('{question} {{0}} or {{1}}', {self.text(c, depth)}, {self.text(c, 0)}))",
            lambda: f"AI.IF(('{question} ', {self.text(c, depth)}))",
        )

    def bool(self, c, depth=2):
        if depth <= 0:
            return self.pick(lambda: self.plain(c), lambda: self.ai(c, 0))
        return self.pick(
            lambda: self.plain(c),
            lambda: self.ai(c, depth - 1),
            lambda: self.ai(c, depth - 1),
            lambda: f"({self.bool(c, depth - 1)} AND {self.bool(c, depth - 1)})",
            lambda: f"({self.bool(c, depth - 1)} OR {self.bool(c, depth - 1)})",
            lambda: f"NOT ({self.bool(c, depth - 1)})",
            lambda: f"({self.bool(c, depth - 1)}) IS {self.draw.choice(['NULL', 'NOT NULL', 'TRUE'])}",
            lambda: f"{self.label(c, depth - 1)} {self.draw.choice(['=', '<>'])} 'a'",
            lambda: f"{self.text(c, depth - 1)} IN ('a', 'late', {self.text(c, 0)})",
            lambda: f"{self.number(c, depth - 1)} BETWEEN 1 AND {self.number(c, depth - 1)}",
            lambda: f"coalesce({self.bool(c, depth - 1)}, {self.bool(c, depth - 1)})",
        )

    def plain(self, c):
        return self.pick(
            lambda: f"{self.draw.choice(c.numbers)} {self.draw.choice(['<', '=', '>='])} {self.draw.randrange(4)}",
            lambda: f"{self.draw.choice(c.texts)} IS {self.draw.choice(['NULL', 'NOT NULL'])}",
            lambda: f"{self.draw.choice(c.texts)} LIKE '%{self.draw.choice('aex')}%'",
        )

    def item(self, c):
        return self.pick(lambda: self.text(c), lambda: self.number(c), lambda: self.bool(c))

    # queries

    def where(self, c):
        return self.pick(
            lambda: "", lambda: f" WHERE {self.bool(c, 3)}", lambda: f" WHERE {self.bool(c)} AND {self.bool(c)}"
        )

    def source(self):
        """Return FROM, the columns in reach, and the keys that make its rows unique."""
        t = Reach(["t.body", "t.topic"], ["t.m", "t.id"], ["t.id"])
        u = Reach(["u.txt"], ["u.n", "u.id"], ["u.id"])
        both = Reach(["t.body", "u.txt", "t.topic"], ["t.m", "u.n", "u.id"], ["t.id", "u.id"])
        return self.pick(
            lambda: ("t", Reach(["body", "topic"], ["m", "id"], ["id"])),
            lambda: ("t", t),
            lambda: (f"t JOIN u ON t.id = u.tid AND {self.bool(both)}", both),
            lambda: ("t LEFT JOIN u ON t.id = u.tid", both),
            lambda: (f"t JOIN u ON t.m = u.n AND {self.ai(both, 0)}", both),
            lambda: (f"(SELECT *, {self.label(t, 0)} AS kind FROM t{self.where(t)}) AS t", t.plus("t.kind")),
            lambda: (f"(SELECT * FROM t WHERE {self.bool(t)}) AS t JOIN u ON t.id = u.tid", both),
            lambda: (
                f"(SELECT * FROM t WHERE {self.bool(t)}) AS t JOIN (SELECT id, tid, txt, n FROM u WHERE {self.bool(u)}) AS u ON t.id = u.tid AND {self.plain(both)}",
                both,
            ),
        )

    def simple(self):
        source, c = self.source()
        items = [f"{self.item(c)} AS c{i}" for i in range(self.draw.randrange(1, 3))]
        keys = ", ".join(c.keys)
        where, limit, ordered, tail = self.where(c), None, False, ""
        if self.draw.random() < 0.5:
            ordered = True
            tail = f" ORDER BY {self.draw.choice(['', 'coalesce(' + self.item(c) + ', NULL) DESC, ', 'c0, '])}{keys}"
        body = f"SELECT {keys}, {', '.join(items)} FROM {source}{where}"
        if self.draw.random() < 0.3:
            body += (
                f" QUALIFY row_number() OVER (PARTITION BY {self.item(c)} ORDER BY {keys}) <= 2 AND {self.bool(c, 1)}"
            )
        if self.draw.random() < 0.4:
            limit = self.draw.randrange(6)
        whole = body + tail
        return Generated(whole + ("" if limit is None else f" LIMIT {limit}"), whole, limit, ordered, self.sites)

    def grouped(self):
        source, c = self.source()
        key = self.pick(lambda: self.label(c, 1), lambda: self.item(c), lambda: self.draw.choice(c.texts))
        key = "topic" if key.isdigit() and c.keys == ["id"] else f"{c.texts[0]}" if key.isdigit() else key
        by = self.draw.choice(["1", "k", key, "ALL"])
        aggregates = [
            "count(*)",
            f"count(*) FILTER (WHERE {self.bool(c, 1)})",
            f"sum(CASE WHEN {self.bool(c, 1)} THEN 1 ELSE 0 END)",
            f"avg({self.number(c, 1)})",
            f"AI_FILTER('Is it long?', string_agg({c.texts[0]}, ',' ORDER BY {', '.join(c.keys)}))",
        ]
        chosen = self.draw.sample(aggregates, 2)
        having = self.pick(
            lambda: "",
            lambda: f" HAVING count(*) > 1 AND AI_FILTER('Is it a group?', max({c.texts[0]}))",
            lambda: f" HAVING sum({self.number(c, 1)}) > 1",
        )
        self.sites += 2
        text = f"SELECT {key} AS k, {', '.join(f'{a} AS a{i}' for i, a in enumerate(chosen))} FROM {source}{self.where(c)} GROUP BY {by}{having}"
        return Generated(text, text, None, False, self.sites)

    def windowed(self):
        source, c = self.source()
        keys = ", ".join(c.keys)
        over = f"OVER (PARTITION BY {self.item(c)} ORDER BY {keys})"
        items = [f"sum({self.number(c, 1)}) {over} AS w", f"lag({self.text(c, 1)}) {over} AS l"]
        text = f"SELECT {keys}, {self.draw.choice(items)} FROM {source}{self.where(c)} ORDER BY {keys}"
        return Generated(text, text, None, True, self.sites)

    def compound(self):
        t, u = Reach(["body", "topic"], ["m", "id"], ["id"]), Reach(["txt"], ["n", "id"], ["id"])
        forms = [
            lambda: (
                f"WITH x AS (SELECT *, {self.bool(t)} AS f FROM t), y AS (SELECT tid FROM u WHERE {self.bool(u)}) SELECT id, f FROM x WHERE id IN (SELECT tid FROM y) OR {self.bool(t, 1)}"
            ),
            lambda: (
                f"SELECT id, {self.text(t)} AS x FROM t UNION {self.draw.choice(['', 'ALL '])}SELECT id, {self.text(u)} FROM u{self.where(u)}"
            ),
            lambda: f"SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE {self.bool(u)}) AND {self.bool(t)}",
            lambda: f"SELECT id FROM t WHERE id NOT IN (SELECT tid FROM u WHERE {self.bool(u)})",
            lambda: f"SELECT DISTINCT {self.item(t)} AS x FROM t{self.where(t)}",
            lambda: (
                f"SELECT count(*) AS n, (SELECT max({self.text(u)}) FROM u) AS z FROM (SELECT id FROM t WHERE {self.bool(t)}) AS s"
            ),
            lambda: (
                f"SELECT lower(body) AS b, {self.ai(Reach(['b'], ['m'], []), 0)} AS f, f IS NULL AS g FROM t WHERE {self.bool(t, 1)}"
            ),
        ]
        text = self.draw.choice(forms)()
        return Generated(text, text, None, False, self.sites)

    def query(self):
        return self.pick(self.simple, self.simple, self.grouped, self.windowed, self.compound)


@dataclass
class Reach:
    """Columns that an expression may name."""

    texts: list
    numbers: list
    keys: list

    def plus(self, text):
        return Reach([*self.texts, text], self.numbers, self.keys)
