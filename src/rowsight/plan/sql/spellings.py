"""The vendors' AI functions, each brought into the one form: Snowflake's, BigQuery's, Databricks'."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from rowsight.core.errors import nearest
from rowsight.plan.sql.calls import Asked, Call, Calls, Figure, around, is_prompt, prompt, with_text
from rowsight.plan.sql.constants import constant
from rowsight.plan.sql.gathered import INSTRUCTION, SUMMARIZE, instruction, values_of_group
from rowsight.plan.sql.place import Place, SqlError
from rowsight.plan.sql.text import SITE, Parsed, Site
from rowsight.plan.sql.walk import has_lookup

_LEVELS = ("precision", "recall", "accuracy", "confidence", "within")
_ACCEPTED = (  # noqa: SIM905 - a list of words reads better as words
    "embeddings optimization_mode connection_id max_error_ratio request_type show_details return_error_details "
    "failonerror modelparameters model_parameters model_params examples"
).split()
_SENTIMENTS = ("positive", "negative", "neutral", "mixed", "unknown")
_TYPE_WORDS = ("string", "text", "integer", "int", "number", "float", "double", "boolean", "bool", "date", "datetime")
Path = tuple[str | int, ...]


@dataclass
class Given:
    """The arguments of one call as written."""

    site: Site
    positional: list[exp.Expr]
    named: dict[str, exp.Expr]
    calls: Calls
    used: set[str] = field(default_factory=set)

    @property
    def place(self) -> Place:
        """Where the call stands."""
        return self.site.place

    def take(self, position: int, *names: str) -> exp.Expr | None:
        """Return the argument at ``position`` or under one of ``names``."""
        for name in names:
            if name in self.named:
                self.used.add(name)
                return self.named[name]
        return self.positional[position] if position < len(self.positional) else None

    def need(self, position: int, *names: str) -> exp.Expr:
        """Return an argument that must be there."""
        found = self.take(position, *names)
        if found is None:
            raise SqlError(f"{self.site.name.upper()} needs its argument {names[0]!r}", self.place)
        return found

    def value(self, position: int, *names: str) -> Any:
        """Return a constant argument, ``None`` where it isn't given."""
        found = self.take(position, *names)
        return None if found is None else constant(found, f"{names[0]} of {self.site.name.upper()}", self.place)

    def call(self, operator: str, asked: Asked, model: str | None = None, **parameters: Any) -> exp.Expr:
        """Return the lookup of this call in its one form."""
        named = self.value(99, "model", "endpoint")
        levels = tuple((n, float(self.value(99, n))) for n in _LEVELS if n in self.named)
        fast = operator == "score" and self._fast()
        self._check_names()
        text = json.dumps(parameters, ensure_ascii=False)
        made = Call(operator, asked.template, len(asked.arguments), text, named or model, levels, fast, self.place)
        return self.calls.lookup(made, asked.arguments)

    def _fast(self) -> bool:
        said = self.value(99, "top_k")
        if said not in (None, "fast", "exact"):
            raise SqlError(
                f"top_k is {said!r}; write top_k => 'fast' to rank, or leave it out to ask every row", self.place
            )
        return bool(said == "fast")

    def _check_names(self) -> None:
        for name in self.named:
            if name not in self.used and name not in _ACCEPTED:
                valid = [*_LEVELS, "model"]
                raise SqlError(f"{self.site.name.upper()} takes no {name!r}{nearest(name, valid)}", self.place)


def canonical(parsed: Parsed) -> tuple[exp.Query, Calls]:
    """Return the query with a lookup in place of every AI call, innermost first, and the calls themselves."""
    calls = Calls()
    tree = parsed.tree.copy()
    _name_outputs(tree, parsed.sites)
    for node in list(tree.find_all(exp.Anonymous, bfs=False))[::-1]:
        name = str(node.this).lower()
        if name.startswith(SITE):
            site = parsed.sites[int(name.removeprefix(SITE))]
            node.replace(_one(node, site, calls))
    for node in tree.find_all(exp.Anonymous):
        if is_prompt(node):
            raise SqlError(
                "PROMPT stands outside an AI function; write AI_FILTER(PROMPT(...))", parsed.place_of("prompt")
            )
    return tree, calls


def _name_outputs(tree: exp.Query, sites: tuple[Site, ...]) -> None:
    """Name outputs that hold an AI call and have no name as they are written."""
    for select in tree.find_all(exp.Select):
        for item in select.expressions:
            if isinstance(item, (exp.Alias, exp.Column, exp.Star)) or not _sited(item):
                continue
            text = item.sql("duckdb", normalize_functions=False)
            for number in reversed(range(len(sites))):
                text = text.replace(f"{SITE}{number}(", f"{sites[number].name}(")
            item.replace(exp.Alias(this=item.copy(), alias=exp.to_identifier(text, quoted=True)))


def _sited(node: exp.Expr) -> bool:
    return any(str(n.this).lower().startswith(SITE) for n in node.find_all(exp.Anonymous))


def _one(node: exp.Anonymous, site: Site, calls: Calls) -> exp.Expr:
    positional: list[exp.Expr] = []
    named: dict[str, exp.Expr] = {}
    for argument in node.expressions:
        if isinstance(argument, (exp.Kwarg, exp.PropertyEQ)):
            named[argument.this.name.lower()] = argument.expression
        elif isinstance(argument, exp.Star):
            raise SqlError(f"{site.name.upper()} takes columns, not *; name the column", site.place)
        else:
            positional.append(argument)
    return _SPELLINGS[site.name](Given(site, positional, named, calls))


def _plain(given: Given, *allowed: Path) -> None:
    """Refuse a path into an envelope that this function's answer doesn't have."""
    path = tuple(p.lower() if isinstance(p, str) else p for p in given.site.path)
    if path and path not in allowed:
        shown = "".join(f"[{p}]" if isinstance(p, int) else f":{p}" for p in given.site.path)
        raise SqlError(
            f"{given.site.name.upper()} has no {shown}; its answer is a plain value: leave it out", given.place
        )


def _filter(given: Given) -> exp.Expr:
    _plain(given, ("result",), ("value",))
    first, second = given.need(0, "prompt", "predicate"), given.take(1, "text", "input")
    otherwise = "Answer the yes-or-no question, or judge the statement, in {}."
    asked = prompt(first, given.place, otherwise) if second is None else with_text(first, second, given.place)
    return given.call("filter", asked)


def _classify(given: Given) -> exp.Expr:
    node = given.need(0, "input", "text", "content")
    labels, described = _labels(given)
    config = given.value(2, "config", "options") or {}
    several = "multi" in str(config.get("output_mode", given.value(99, "output_mode") or "")).lower()
    several = several or str(config.get("multilabel", "")).lower() == "true"
    task = config.get("task_description") or config.get("instructions") or given.value(99, "task_description")
    words = (
        f"{str(task).rstrip()} {{}}"
        if task
        else f"Which label{'s' if several else ''} fit{'' if several else 's'} {{}}?"
    )
    asked = prompt(node, given.place, words) if not task else around(node, words)
    found = given.call("classify", asked, None, labels=described or labels, several=several)
    return _label_of(given, found, several=several)


def _label_of(given: Given, found: exp.Expr, *, several: bool) -> exp.Expr:
    """Read Snowflake's envelope of labels: ours is the label, or the list of them, itself."""
    match tuple(p.lower() if isinstance(p, str) else p for p in given.site.path):
        case () | ("result",):
            return found
        case ("labels", int(index)) if several:
            return exp.Bracket(this=exp.Paren(this=found), expressions=[exp.Literal.number(index + 1)], offset=1)
        case ("labels", 0):
            return found
        case ("labels",):
            return found if several else exp.Array(expressions=[found])
    _plain(given)
    return found


def _labels(given: Given) -> tuple[list[str], dict[str, str]]:
    raw = given.value(1, "categories", "labels", "list_of_categories")
    if raw is None:
        raise SqlError(f"{given.site.name.upper()} needs labels, such as ['courier', 'refund']", given.place)
    if isinstance(raw, str):
        raw = json.loads(raw) if raw.strip().startswith(("[", "{")) else [raw]
    items = list(raw.items()) if isinstance(raw, dict) else [_label(item, given.place) for item in raw]
    labels = [label for label, _ in items]
    return labels, dict(items) if any(said for _, said in items) else {}


def _label(item: Any, place: Place) -> tuple[str, str]:
    match item:
        case str():
            return item, ""
        case {"label": str(label)}:
            return label, str(item.get("description") or "")
        case [str(label), str(said)]:
            return label, said
    raise SqlError("a label is a text, {'label': ..., 'description': ...} or (label, description)", place)


def _sentiment(given: Given) -> exp.Expr:
    node, categories = given.need(0, "text", "input", "content"), given.value(1, "categories") or []
    names = ["overall", *map(str, categories)]
    path = tuple(p.lower() if isinstance(p, str) else p for p in given.site.path)
    index = 0
    match path:
        case ("categories", int(index), "name") if index < len(names):
            return exp.Literal.string(names[index])
        case ("categories", int(index), "sentiment") if index < len(names):
            pass
        case () if not categories:
            pass
        case _:
            rewrite = "write AI_SENTIMENT(text, [...]):categories[1]:sentiment for one category, or leave them out"
            raise SqlError(f"AI_SENTIMENT's answer is one text here; {rewrite}", given.place)
    about = "" if index == 0 else f" towards {names[index]}"
    labels = list(_SENTIMENTS if given.site.name == "ai_sentiment" else _SENTIMENTS[:4])
    return given.call("classify", around(node, f"What is the sentiment of {{}}{about}?"), labels=labels)


def _extract(given: Given) -> exp.Expr:
    node = given.need(0, "text", "input", "content")
    fields = _fields(given.value(1, "responseformat", "response_format", "labels", "schema"), given)
    asked = prompt(node, given.place, "What does {} say of each field?")
    found = given.call("extract", asked, fields=fields)
    path = [p for p in given.site.path if not (isinstance(p, str) and p.lower() == "response")]
    if path == ["error"]:
        return exp.Null()
    for step in path:
        found = _element(found, step)
    return found


def _element(node: exp.Expr, step: str | int) -> exp.Expr:
    if isinstance(step, int):
        return exp.Anonymous(this="list_extract", expressions=[node, exp.Literal.number(step + 1)])
    return exp.Anonymous(this="struct_extract", expressions=[node, exp.Literal.string(step)])


def _fields(raw: Any, given: Given) -> dict[str, Any]:
    if isinstance(raw, str):
        raw = _json(raw, given)
    if isinstance(raw, dict):
        schema = raw.get("schema") or raw.get("json_schema")
        raw = schema if isinstance(schema, dict) else raw
        return raw if "properties" in raw else {str(k): _field(v) for k, v in raw.items()}
    if isinstance(raw, list) and raw:
        return dict(_pair(item, given.place) for item in raw)
    raise SqlError(f"{given.site.name.upper()} needs its fields, such as {{'amount': 'number'}}", given.place)


def _field(said: Any) -> Any:
    if isinstance(said, dict):
        return said
    word = str(said).strip().lower()
    if word in _TYPE_WORDS or word.startswith("list["):
        return word
    return {"type": ["string", "null"], "description": str(said)}


def _pair(item: Any, place: Place) -> tuple[str, Any]:
    match item:
        case str():
            return item, "string"
        case [str(name), said]:
            return name, _field(said)
    raise SqlError("a field is a name or [name, question]", place)


def _json(text: str, given: Given) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SqlError(f"{given.site.name.upper()}: the format is no JSON: {error}", given.place) from error


def _complete(given: Given) -> exp.Expr:
    first, second = given.take(0, "model"), given.take(1, "prompt")
    model = None
    if second is None:
        second = given.need(0, "prompt")
    elif first is not None:
        model = str(constant(first, "the model's name", given.place))
    shape = given.value(99, "response_format", "responseformat", "output_schema")
    return _written(given, second, model, shape)


def _written(given: Given, node: exp.Expr, model: str | None, shape: Any) -> exp.Expr:
    asked = prompt(node, given.place, "Do what {} asks for.")
    if shape is not None:
        found = given.call("extract", asked, model, fields=_fields(shape, given))
        for step in [p for p in given.site.path if p not in ("response", "result", "value")]:
            found = _element(found, step)
        return found
    _plain(given, ("result",), ("value",), ("response",))
    return given.call("complete", asked, model)


def _generate(given: Given) -> exp.Expr:
    given.used.add("output_schema")
    shape = given.value(99, "output_schema")
    if isinstance(shape, str) and not shape.strip().startswith("{"):
        shape = dict(_typed(part, given.place) for part in shape.split(","))
    return _written(given, given.need(0, "prompt"), None, shape)


def _typed(part: str, place: Place) -> tuple[str, str]:
    name, _, kind = part.strip().partition(" ")
    kinds = {"int64": "integer", "float64": "number", "numeric": "number", "bool": "boolean", "": "string"}
    if not name:
        raise SqlError("output_schema is written 'name TYPE, name TYPE'", place)
    return name, kinds.get(kind.strip().lower(), kind.strip().lower())


def _numeric(kind: str) -> Callable[[Given], exp.Expr]:
    def spelling(given: Given) -> exp.Expr:
        _plain(given, ("result",))
        asked = prompt(given.need(0, "prompt"), given.place, "Give the number that {} asks for.")
        return _element(given.call("extract", asked, fields={"result": kind}), "result")

    return spelling


def _score(given: Given) -> exp.Expr:
    _plain(given, ("result",))
    bounds = given.value(99, "range")
    asked = prompt(given.need(0, "prompt"), given.place, "Give the score that {} asks for.")
    return given.call("score", asked, **({"range": bounds} if bounds else {}))


def _query(given: Given) -> exp.Expr:
    model = str(constant(given.need(0, "endpoint"), "the endpoint's name", given.place))
    node = given.need(1, "request")
    kind = str(given.value(99, "returntype") or "string").lower()
    if kind in ("bool", "boolean"):
        _plain(given, ("result",))
        return given.call("filter", prompt(node, given.place, "Answer the yes-or-no question in {}."), model)
    words = {"int": "integer", "integer": "integer", "bigint": "integer", "double": "number", "float": "number"}
    if kind in words:
        asked = prompt(node, given.place, "Give the number that {} asks for.")
        return _element(given.call("extract", asked, model, fields={"result": words[kind]}), "result")
    return _written(given, node, model, given.value(99, "responseformat"))


def _gen(given: Given) -> exp.Expr:
    return _written(given, given.need(0, "prompt", "content"), None, None)


def _agg(given: Given) -> exp.Expr:
    _plain(given)
    node = given.need(0, "expr", "text", "input")
    words = INSTRUCTION
    if given.site.name == "ai_agg":
        words = instruction(given.value(1, "instruction", "task_description"), given.site.name.upper(), given.place)
    return given.call(SUMMARIZE, around(values_of_group(node), f"{words} {{}}"))


def _count_tokens(given: Given) -> exp.Expr:
    """Estimate as the rest of Rowsight does, at four characters a token: no call."""
    node = given.positional[-1] if given.positional else given.need(0, "text", "input")
    length = exp.Length(this=exp.Cast(this=node, to=exp.DataType.build("VARCHAR")))
    quarter = exp.Ceil(this=exp.Div(this=length, expression=exp.Literal.number("4.0"), typed=False, safe=False))
    return exp.Cast(this=quarter, to=exp.DataType.build("BIGINT"))


def _figure(kind: str) -> Callable[[Given], exp.Expr]:
    """Return the spelling of an AI aggregate: a yes-or-no question or a condition (count, share), or a score (avg)."""

    def spelling(given: Given) -> exp.Expr:
        _plain(given)
        demand: dict[str, float] = {
            n: float(given.value(99, n)) for n in ("within", "calls", "confidence") if n in given.named
        }
        given.named = {n: v for n, v in given.named.items() if n not in demand}
        if "within" in demand and "calls" in demand:
            raise SqlError(f"{given.site.name.upper()} takes within => or calls =>, one of the two", given.place)
        if kind == "avg":
            low, high = given.value(99, "range") or (0.0, 10.0)
            text = given.take(1, "text", "input")
            if text is not None:
                given.positional = [exp.Tuple(expressions=[given.need(0, "prompt"), exp.Literal.string(" "), text])]
            answer, bounds = _score(given), (float(low), float(high))
        else:
            first = given.need(0, "prompt", "predicate")
            answer, bounds = first if has_lookup(first) and not is_prompt(first) else _filter(given), (0.0, 1.0)
        if not demand.keys() & {"within", "calls"}:
            demand["within"] = WITHIN * (bounds[1] - bounds[0])
        demand["counted"] = float(kind == "count")
        return given.calls.figure(Figure(given.site.name.upper(), kind, bounds, demand, given.place), answer)

    return spelling


WITHIN = 0.05
"""Half the width of an interval where the query doesn't say, as a share of what is possible."""

_SPELLINGS: dict[str, Callable[[Given], exp.Expr]] = {
    "ai_filter": _filter,
    "ai_classify": _classify,
    "ai_extract": _extract,
    "ai_complete": _complete,
    "ai_sentiment": _sentiment,
    "ai_count_tokens": _count_tokens,
    "ai_query": _query,
    "ai_gen": _gen,
    "ai_analyze_sentiment": _sentiment,
    "ai_agg": _agg,
    "ai_summarize_agg": _agg,
    "ai_count_if": _figure("count"),
    "ai_share": _figure("share"),
    "ai_avg": _figure("avg"),
    "ai.if": _filter,
    "ai.classify": _classify,
    "ai.score": _score,
    "ai_score": _score,
    "ai.generate": _generate,
    "ai.generate_bool": _filter,
    "ai.generate_int": _numeric("integer"),
    "ai.generate_double": _numeric("number"),
}
