"""What a query may read: the tables that were named, and nothing else.

A query may come from a model, so this is a security boundary, and an allow-list: one query; tables known by name, its
own WITHs, and quoted paths in FROM; three table functions. DuckDB's lock stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from rowsight.core.errors import nearest
from rowsight.plan.sql.place import Place, SqlError
from rowsight.plan.sql.text import Parsed

TABLE_FUNCTIONS = ("unnest", "range", "generate_series", "rowsight_certificates")
_FORBIDDEN = """
    getenv current_setting getvariable query query_table nextval currval glob sniff_csv which_secret write_log
    json_execute_serialized_sql sql_auto_complete from_substrait from_substrait_json checkpoint force_checkpoint
    enable_logging disable_logging set_config shell system add_parquet_key http_get http_post"""
_FORBIDDEN_NAMES = frozenset(_FORBIDDEN.split())
_PREFIXES = """
    read_ parquet_ pragma_ duckdb_ arrow_scan pandas_scan python_ sqlite_ postgres_ mysql_ iceberg_ delta_ load_ scan_
    st_read pg_ has_"""
_FORBIDDEN_PREFIXES = tuple(_PREFIXES.split())
_STATEMENTS: tuple[type[exp.Expr], ...] = (
    exp.Command,
    exp.DDL,
    exp.DML,
    exp.Into,
    exp.Lock,
    exp.Attach,
    exp.Copy,
    exp.Set,
    exp.Pragma,
    exp.Use,
    exp.Describe,
    exp.Show,
    exp.Summarize,
    exp.Drop,
    exp.Export,
    exp.Install,
)
_ENDINGS = (".csv", ".tsv", ".gz", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".duckdb", ".db")


@dataclass(frozen=True)
class Named:
    """What a query reads: registered tables, and paths in FROM."""

    tables: tuple[str, ...]
    paths: tuple[str, ...]


def checked(parsed: Parsed, tables: Iterable[str], *, allow: bool = False) -> Named:
    """Return what the query reads; ``SqlError`` where it reads or does anything else.

    ``tables`` are the known names (``schema.table`` where they stand in a schema). ``allow`` lets functions read, too.
    """
    known = {name.lower(): name for name in tables}
    ctes = {c.alias.lower() for c in parsed.tree.find_all(exp.CTE)}
    found: dict[str, None] = {}
    paths: dict[str, None] = {}
    for node in parsed.tree.walk():
        if isinstance(node, _STATEMENTS) and not isinstance(node, exp.Query):
            raise _denied(type(node).__name__.upper(), parsed)
        if isinstance(node, (exp.Placeholder, exp.Parameter, exp.SessionParameter)):
            raise SqlError("a parameter stands in the query; write its value", None)
        if isinstance(node, exp.Table):
            _table(node, parsed, known, ctes, found, paths, allow=allow)
        elif isinstance(node, exp.Func) and not allow:
            _function(node, parsed)
    return Named(tuple(found), tuple(paths))


def _table(
    node: exp.Table,
    parsed: Parsed,
    known: dict[str, str],
    ctes: set[str],
    found: dict[str, None],
    paths: dict[str, None],
    *,
    allow: bool,
) -> None:
    if not isinstance(node.this, exp.Identifier):
        name = _called(node.this)
        if not allow and name not in TABLE_FUNCTIONS:
            raise _denied(f"the table function {name}()", parsed, name)
        return
    parts = [p.name for p in node.parts]
    name = ".".join(parts)
    if name.lower() in known:
        found[known[name.lower()]] = None
    elif len(parts) == 1 and name.lower() in ctes:
        return
    elif len(parts) == 1 and node.this.quoted and _is_path(name):
        paths[name] = None
        _name_of_file(node, name)
    elif not allow:
        hint = nearest(name, [*known.values(), *ctes]) or "; register one or name a file, as in FROM 'tickets.parquet'"
        raise SqlError(f"there is no table {name!r}{hint}", parsed.place_of(parts[-1]))


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.lower().endswith(_ENDINGS) or "*" in name


def _name_of_file(node: exp.Table, path: str) -> None:
    """Know a file in FROM by its name without directory and ending, as DuckDB does."""
    if not node.alias:
        stem = path.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0]
        if stem:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(stem, quoted=True)))


def _function(node: exp.Func, parsed: Parsed) -> None:
    name = _called(node)
    if name in _FORBIDDEN_NAMES or name.startswith(_FORBIDDEN_PREFIXES):
        raise _denied(f"the function {name}()", parsed, name)


def _called(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.lower()


def _denied(what: str, parsed: Parsed, word: str = "") -> SqlError:
    place = parsed.place_of(word) if word else Place(1, 1)
    return SqlError(f"{what} reads or changes more than the tables named, and needs --allow", place)
