"""``con = rowsight.connect(...)``: tables by name, and queries over them in which AI functions stand.

::

    con = rowsight.connect(model="gpt-5-mini")
    con.register("tickets", frame)
    con.sql("SELECT id FROM tickets WHERE AI_FILTER(PROMPT('Is {0} about delivery?', body))").to_pandas()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from rowsight.core.blocking import blocking
from rowsight.core.errors import InputError, SourceError, nearest
from rowsight.core.heap import settled_heap
from rowsight.engines.sources import Source, source_of
from rowsight.execution.options import RunOptions
from rowsight.plan.sql.clauses import can_be_certified
from rowsight.plan.sql.safe import checked
from rowsight.plan.sql.text import Parsed, asks, is_query, parse, script
from rowsight.session import Session, options_of

if TYPE_CHECKING:
    from rowsight.execution.queried import QueryResult, Tables
    from rowsight.execution.queries import Oracle

LEVELS = ("precision", "recall", "accuracy", "confidence")
CERTIFICATES = "rowsight_certificates"
CERTIFICATE_COLUMNS = pa.schema([(n, pa.string()) for n in ("query", "question", "status", "statement", "covers")])


def connect(
    database: str | Path | None = None,
    *,
    model: str | None = None,
    tables: Mapping[str, Any] | None = None,
    allow: bool = False,
    session: Session | None = None,
    oracle: Oracle | None = None,
    **options: Any,
) -> Connection:
    """Return a connection that runs DuckDB's SQL with AI functions.

    ``database`` is a DuckDB file, read only. ``tables`` maps names to whatever ``rowsight.read`` takes. A query reads
    these and the files that it names in FROM; ``allow`` lets its functions read more. ``model`` and ``options`` are those
    of a run, and ``precision``, ``recall``, ``accuracy``, ``confidence``: the guarantee of every query that can carry one
    and names none. ``oracle`` answers in place of a model. A row without an answer is NULL, and the report says why;
    with ``on_failure="raise"`` the query raises, once every answer that came is kept.
    """
    return Connection(database, model, dict(tables or {}), options, session or Session(), oracle, allow=allow)


class Connection:
    """Tables by name, and the options of the queries over them."""

    def __init__(
        self,
        database: str | Path | None,
        model: str | None,
        tables: Mapping[str, Any],
        options: Mapping[str, Any],
        session: Session,
        oracle: Oracle | None,
        *,
        allow: bool,
    ) -> None:
        self._model, self._session, self._oracle, self._allow = model, session, oracle, allow
        given = dict(options)
        self._levels = {name: given.pop(name) for name in LEVELS if given.get(name) is not None}
        self._options = {name: value for name, value in given.items() if name not in LEVELS}
        _known_options(self._options)
        self.certificates: list[dict[str, Any]] = []
        """What ``rowsight_certificates()`` lists: the certificates of this connection's queries, the latest last."""
        self._sources: dict[str, Source] = {}
        self._databases: dict[str, Path] = {}
        self._tables: list[str] = []
        if database is not None:
            self._attach(Path(database))
        for name, value in tables.items():
            self.register(name, value)

    def register(self, name: str, table: Any) -> None:
        """Let ``table`` (a path, a pandas, Polars or Arrow table, a DuckDB relation) be read as ``name``."""
        if not name.strip() or name.lower().startswith("__"):
            raise InputError(f"{name!r} can't be a table's name; choose a word such as tickets")
        self._sources[name] = source_of(table)

    def sql(self, query: str, **options: Any) -> QueryResult:
        """Run a query and return its rows; ``SqlError`` with the place where it can't be run."""
        import rowsight.execution.queried  # noqa: F401, PLC0415 - what is loaded first is not looked at by the collector

        with settled_heap():
            return blocking(self.asql(query, **options))

    async def asql(self, query: str, **options: Any) -> QueryResult:
        """Run a query inside a running event loop."""
        from rowsight.execution.explained import explained  # noqa: PLC0415 - running loads on use
        from rowsight.execution.queried import queried  # noqa: PLC0415

        before, query = script(query) if self._allow else ([], query)
        if self._allow and not is_query(query):
            return self._run(query, before)
        parsed = self._demanding(parse(query))
        tables = replace(self._read(parsed), before=tuple(before))
        if parsed.explain == "plan":
            return await explained(parsed, tables, locked=not self._allow)
        model, given = self._given(options)
        if self._oracle is not None or not parsed.sites:
            oracle = self._oracle or _NoModel()
            seed = int(given.get("seed", 0))
            result = await queried(parsed, tables, oracle, model=model or "", locked=not self._allow, seed=seed)
        else:
            result = await self._asked(parsed, tables, model, given)
        self.certificates += _listed(result, parsed.text)
        result = _analyzed(result) if parsed.explain else result
        if given.get("on_failure") == "raise":
            result.report.check_answered(result)
        return result

    def _run(self, statement: str, before: list[str]) -> QueryResult:
        """Run a statement that isn't a query; ``allow`` was given."""
        from rowsight.execution.queried import Tables, ran  # noqa: PLC0415 - running loads on use

        if asks(statement):
            raise InputError("an AI function stands in a statement that is no query; write the query, with --out FILE")
        return ran(statement, Tables(self._sources, self._databases, tuple(before)))

    async def _asked(self, parsed: Parsed, tables: Tables, model: str | None, given: dict[str, Any]) -> QueryResult:
        from rowsight.execution.queried import queried  # noqa: PLC0415 - running loads on use
        from rowsight.execution.roads import Roads  # noqa: PLC0415

        if model is None:
            raise InputError("no model is named; give one: rowsight.connect(model='gpt-5-mini') or --model NAME")
        run = options_of(model, given)
        spec = {"command": "sql", "query": parsed.text}
        async with Roads(run, self._session.state_directory, self._session.environment, spec) as roads:
            records = await roads.gateway(None) if parsed.guarantee or "=>" in parsed.text else None
            locked = not self._allow
            shares, seed = run.rows_per_call > 1, run.seed
            result = await queried(
                parsed, tables, roads, model=model, locked=locked, records=records, seed=seed, shares=shares
            )
            await roads.finish(result.report)
        return result

    def _given(self, options: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        given = {**self._options, **options}
        model = given.pop("model", self._model)
        _known_options(given)
        return model, given

    def _read(self, parsed: Parsed) -> Tables:
        from rowsight.execution.queried import Tables  # noqa: PLC0415 - running loads on use

        listing = _names_certificates(parsed)
        named = checked(parsed, [*self._sources, *self._tables, *listing], allow=self._allow)
        sources = {name: self._sources[name] for name in named.tables if name in self._sources}
        for path in named.paths:
            try:
                sources[path] = source_of(path)
            except SourceError as error:
                place = parsed.place_of(path)
                raise SourceError(f"{place}: {error}" if place else str(error)) from error
        if listing:
            sources[CERTIFICATES] = source_of(pa.Table.from_pylist(self.certificates, CERTIFICATE_COLUMNS))
        if self._allow:
            sources = {**self._sources, **sources}
        return Tables(sources, self._databases)

    def _demanding(self, parsed: Parsed) -> Parsed:
        """Return the query with the connection's guarantee, where it has none of its own and can carry one."""
        if not self._levels or parsed.guarantee is not None or not can_be_certified(parsed):
            return parsed
        return replace(parsed, guarantee=self._levels)

    def _attach(self, path: Path) -> None:
        from rowsight.engines.workspace import Workspace  # noqa: PLC0415 - only for DuckDB files

        if not path.is_file():
            raise SourceError(f"there is no DuckDB database {path}")
        name = path.name.split(".")[0]
        workspace = Workspace({}, {name: path})
        try:
            for table in workspace.tables(name):
                short = table.removeprefix("main.")
                self._tables += [table, f"{name}.{table}", *([short, f"{name}.{short}"] if short != table else [])]
        finally:
            workspace.close()
        self._databases[name] = path


def _names_certificates(parsed: Parsed) -> list[str]:
    """Let ``rowsight_certificates()`` in FROM stand for the table of certificates; return its name where it does."""
    found = []
    for table in parsed.tree.find_all(exp.Table):
        if isinstance(table.this, exp.Anonymous) and str(table.this.this).lower() == CERTIFICATES:
            table.set("this", exp.to_identifier(CERTIFICATES))
            found.append(CERTIFICATES)
    return found


def _listed(result: QueryResult, query: str) -> list[dict[str, Any]]:
    """Return a line for each certificate of a result, and for a query that asked about every row a line that says so."""
    lines: list[tuple[str | None, ...]] = []
    for ask in result.report.asks:
        if (certificate := ask.certificate) is not None:
            covers = "the rows that come out" if ask.operator == "where" else "the answers of this call on its rows"
            words = (certificate.statement, covers)
            lines.append((ask.question, "certified" if certificate.certified else "not certified", *words))
        elif ask.operator not in ("where", "estimate"):
            lines.append((ask.question, "asked", "every row that mattered was asked", "the answers of this call"))
    lines += [(None, s.level, s.why, f"column {s.column}") for s in result.standings]
    names = CERTIFICATE_COLUMNS.names
    return [dict(zip(names, (query, *line), strict=True)) for line in lines]


class _NoModel:
    async def ask(self, question: Any, model: str | None, distinct: Any) -> Any:
        raise NotImplementedError  # a query without AI calls asks nothing


def _known_options(options: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(RunOptions)]
    for name in options:
        if name not in known:
            raise InputError(f"connect has no option {name!r}{nearest(name, known)}")
    if options.get("cascade"):
        raise InputError(
            "SQL asks no model between proxy and model; leave cascade out, or ask in Python: table.filter(...)"
        )


def _analyzed(result: QueryResult) -> QueryResult:
    from rowsight.execution.explained import analyzed  # noqa: PLC0415 - only for EXPLAIN ANALYZE

    return analyzed(result)
