"""A query's text made a syntax tree: DuckDB's SQL, the vendors' AI names, ``EXPLAIN`` and ``WITH GUARANTEE``.

The names are found among the tokens, before the parser sees them: it has typed nodes of its own for some of them, and
none for BigQuery's ``AI.IF``. Each call becomes a function ``__site_<n>``; ``sites[n]`` says what was written there.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from rowsight.core.errors import nearest
from rowsight.plan.sql.place import Place, SqlError

SITE = "__site_"
NAMES = (
    "ai_filter",
    "ai_classify",
    "ai_extract",
    "ai_complete",
    "ai_sentiment",
    "ai_count_tokens",
    "ai_query",
    "ai_gen",
    "ai_analyze_sentiment",
    "ai_agg",
    "ai_summarize_agg",
    "ai_count_if",
    "ai_share",
    "ai_avg",
    "ai_score",
    "ai.if",
    "ai.classify",
    "ai.score",
    "ai.generate",
    "ai.generate_bool",
    "ai.generate_int",
    "ai.generate_double",
)
_ROOTS = ("labels", "categories", "response", "result", "full_response", "status", "error", "value")
_RESERVED = (
    "__site_",
    "__ai_",
    "__known_",
    "__source_",
    "__kept",
    "__row",
    "__lost_",
    "__population_",
    "__wanted",
    "__total_",
    "__estimate_",
)
_STARTS = (TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.VALUES, TokenType.L_PAREN)
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
_MOST_TOKENS = 20_000
_EXPLAIN = re.compile(r"\s*explain(\s+analyze)?\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d*\.?\d+")


@dataclass(frozen=True)
class Site:
    """A call as written: the vendor's name in lower case, where it stands, the path into its envelope behind it."""

    name: str
    place: Place
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """A statement read. ``explain``: whether it asks for the plan, and with ``analyze`` for what the plan did."""

    text: str
    tree: exp.Query
    sites: tuple[Site, ...] = ()
    explain: Literal["plan", "analyze"] | None = None
    guarantee: dict[str, float] | None = None
    words: tuple[tuple[str, Place], ...] = field(default=(), repr=False)

    def place_of(self, word: str) -> Place | None:
        """Return where ``word`` first stands in the text, in any case."""
        return next((place for text, place in self.words if text.lower() == word.lower()), None)


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of ``text``; ``SqlError`` where it isn't SQL at all."""
    try:
        tokens = DuckDB().tokenize(text)
    except TokenError as error:
        raise SqlError(f"the query can't be read: {str(error).splitlines()[0]}", Place.at(text, len(text))) from error
    if len(tokens) > _MOST_TOKENS:
        raise SqlError(f"the query has {len(tokens):,} tokens; at most {_MOST_TOKENS:,} are read")
    return tokens


def parse(text: str) -> Parsed:
    """Return the one query that ``text`` holds; ``SqlError`` with the place where it isn't one."""
    explain, query = _explained(text)
    tokens = _one_statement(tokens_of(query), text)
    words = tuple((t.text, Place.at(text, t.start)) for t in tokens)
    _no_reserved(words)
    guarantee, tokens = _guaranteed(tokens, text)
    if not tokens or tokens[0].token_type not in _STARTS:
        raise SqlError(_not_a_query(tokens), Place.at(text, tokens[0].start) if tokens else Place(1, 1))
    sites: list[Site] = []
    tree = _tree(_named(tokens, text, sites), text)
    return Parsed(text, tree, tuple(sites), explain, guarantee, words)


def script(text: str) -> tuple[list[str], str]:
    """Return the statements of ``text`` before its last, and the last where it stands, with blanks before it."""
    tokens = tokens_of(text)
    ends = [t.start for t in tokens if t.token_type == TokenType.SEMICOLON and t.start < tokens[-1].start]
    starts = [0, *(end + 1 for end in ends)]
    pieces = [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True)]
    last = "".join(c if c == "\n" else " " for c in text[: starts[-1]]) + pieces[-1].rstrip("; \n")
    return [piece for piece in pieces[:-1] if piece.strip()], last


def is_query(text: str) -> bool:
    """Say whether a statement is one that gives rows by SELECT, or explains one."""
    tokens = tokens_of(_explained(text)[1])
    return bool(tokens) and tokens[0].token_type in _STARTS


def asks(text: str) -> bool:
    """Say whether an AI function stands in a statement."""
    tokens = tokens_of(text)
    return any(_name_at(tokens, i, text)[0] is not None for i in range(len(tokens)))


def _one_statement(tokens: list[Token], text: str) -> list[Token]:
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    if not tokens:
        raise SqlError("the query is empty; write one such as SELECT * FROM 'tickets.parquet'", Place(1, 1))
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            raise SqlError("a second statement stands here; run one query at a time", Place.at(text, token.start))
    return tokens


def _no_reserved(words: tuple[tuple[str, Place], ...]) -> None:
    for word, place in words:
        if word.lower().startswith(_RESERVED):
            raise SqlError(f"the name {word[:40]!r} is Rowsight's own; choose another", place)


def _explained(text: str) -> tuple[Literal["plan", "analyze"] | None, str]:
    """Return what EXPLAIN asks for, and the text with the word blanked out, so that places stay."""
    found = _EXPLAIN.match(text)
    if found is None:
        return None, text
    blank = "".join(c if c == "\n" else " " for c in found.group())
    return ("analyze" if found.group(1) else "plan"), blank + text[found.end() :]


def _not_a_query(tokens: list[Token]) -> str:
    if not tokens:
        return "there is only WITH GUARANTEE; write a query before it"
    word = tokens[0].text.upper()[:30]
    return f"{word} is no query: only SELECT (with WITH, FROM, VALUES, EXPLAIN) runs; other statements need --allow"


def _guaranteed(tokens: list[Token], text: str) -> tuple[dict[str, float] | None, list[Token]]:
    """Take ``WITH GUARANTEE (name value, ...)`` off the end."""
    for i in range(len(tokens) - 3, -1, -1):
        if tokens[i].token_type == TokenType.WITH and tokens[i + 1].text.lower() == "guarantee":
            break
    else:
        return None, tokens
    if tokens[i + 2].token_type != TokenType.L_PAREN or _closing(tokens, i + 2) != len(tokens) - 1:
        return None, tokens
    return _levels(tokens[i + 3 : -1], text, Place.at(text, tokens[i].start)), tokens[:i]


def _levels(tokens: list[Token], text: str, place: Place) -> dict[str, float]:
    known = ("precision", "recall", "accuracy", "confidence", "within", "calls")
    levels: dict[str, float] = {}
    for part in _split(tokens):
        here = Place.at(text, part[0].start) if part else place
        value = "".join(t.text for t in part[1:]).lstrip("=>")
        if not _NUMBER.fullmatch(value):
            raise SqlError("WITH GUARANTEE takes levels such as (precision 0.9, recall 0.9)", here)
        name = part[0].text.lower()
        if name not in known:
            raise SqlError(f"WITH GUARANTEE knows no {part[0].text!r}{nearest(name, known)}", here)
        levels[name] = float(value)
    return levels


def _split(tokens: list[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.COMMA:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _closing(tokens: list[Token], opening: int) -> int:
    """Return the position of the bracket that closes the one at ``opening``; -1 where none does."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += (tokens[i].token_type in _OPENING) - (tokens[i].token_type in _CLOSING)
        if depth == 0:
            return i
    return -1


def _named(tokens: list[Token], text: str, sites: list[Site]) -> list[Token]:
    """Replace each AI call's name by its site's, and take the path into its envelope off."""
    out: list[Token] = []
    drop: dict[int, int] = {}
    i = 0
    while i < len(tokens):
        if i in drop:
            i = drop[i]
            continue
        name, width = _name_at(tokens, i, text)
        if name is None:
            out.append(tokens[i])
            i += 1
            continue
        closing = _closing(tokens, i + width)
        path, end = _path(tokens, closing + 1) if closing > 0 else ((), closing + 1)
        if path:
            drop[closing + 1] = end
        out.append(_renamed(tokens[i], f"{SITE}{len(sites)}"))
        sites.append(Site(name, Place.at(text, tokens[i].start), path))
        i += width
    return out


def _renamed(token: Token, name: str) -> Token:
    return Token(TokenType.VAR, name, token.line, token.col, token.start, token.end, [])


def _name_at(tokens: list[Token], i: int, text: str) -> tuple[str | None, int]:
    """Return the AI function whose name begins at token ``i`` and the number of its tokens, without the parenthesis."""
    word = tokens[i].text.lower()
    if i and tokens[i - 1].token_type == TokenType.DOT:
        return None, 0
    quoted = tokens[i].token_type in (TokenType.STRING, TokenType.IDENTIFIER)
    if word == "ai" and _kind(tokens, i + 1) == TokenType.DOT and _kind(tokens, i + 3) == TokenType.L_PAREN:
        name, width = f"ai.{tokens[i + 2].text.lower()}", 3
    elif word.startswith("ai_") and not quoted and _kind(tokens, i + 1) == TokenType.L_PAREN:
        name, width = word, 1
    else:
        return None, 0
    if name not in NAMES:
        hint = nearest(name, NAMES)
        raise SqlError(f"there is no AI function {name.upper()}{hint}", Place.at(text, tokens[i].start))
    return name, width


def _kind(tokens: list[Token], i: int) -> TokenType | None:
    return tokens[i].token_type if 0 <= i < len(tokens) else None


def _path(tokens: list[Token], i: int) -> tuple[tuple[str | int, ...], int]:
    """Return the envelope's path behind a call (``:labels[0]``, ``['labels'][0]``, ``.result``) and where it ends."""
    path: list[str | int] = []
    start = i
    while step := _step(tokens, i):
        value, width = step
        colon = tokens[i].token_type == TokenType.COLON
        if not path and not colon and (not isinstance(value, str) or value.lower() not in _ROOTS):
            break
        path.append(value)
        i += width
    return (tuple(path), i) if path else ((), start)


def _step(tokens: list[Token], i: int) -> tuple[str | int, int] | None:
    kind = _kind(tokens, i)
    if kind in (TokenType.COLON, TokenType.DOT) and i + 1 < len(tokens):
        following = tokens[i + 1]
        wordy = following.text.replace("_", "a").isalnum() and not following.text[0].isdigit()
        return (following.text, 2) if wordy or following.token_type == TokenType.IDENTIFIER else None
    if kind == TokenType.L_BRACKET and _kind(tokens, i + 2) == TokenType.R_BRACKET:
        inner = tokens[i + 1]
        if inner.token_type == TokenType.STRING:
            return inner.text, 3
        if inner.token_type == TokenType.NUMBER and inner.text.isdigit():
            return int(inner.text), 3
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the parser from logging what it doesn't support: that is refused with an error of ours."""
    logger = logging.getLogger("sqlglot")

    def silent(record: logging.LogRecord) -> bool:
        del record
        return False

    logger.addFilter(silent)
    try:
        yield
    finally:
        logger.removeFilter(silent)


def _tree(tokens: list[Token], text: str) -> exp.Query:
    try:
        with _quiet():
            statements = DuckDB().parser().parse(tokens, text)
    except ParseError as error:
        raise _unparsed(error, text) from error
    except RecursionError as error:
        raise SqlError("the query is nested too deeply; split it with WITH") from error
    except (
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
    ) as error:  # the parser's own slips on odd input
        raise SqlError(f"the query can't be read: {type(error).__name__} in the parser; check its syntax") from error
    tree = statements[0] if len(statements) == 1 else None
    if isinstance(tree, exp.Values):
        tree = exp.select("*").from_(exp.alias_(tree, "rows", table=True) if not tree.alias else tree)
    if not isinstance(tree, exp.Query):
        raise SqlError("this is no query; write SELECT ...", Place(1, 1))
    return tree


def _unparsed(error: ParseError, text: str) -> SqlError:
    found = error.errors[0] if error.errors else {}
    said = str(found.get("description") or str(error).splitlines()[0]).split(" <Token")[0]
    line, column, near = found.get("line"), found.get("col"), found.get("highlight") or ""
    place = Place(line, max(1, column - len(near) + 1)) if line and column else Place.at(text, len(text))
    shown = f" near {near[:40]!r}" if near else ""
    return SqlError(f"{said.rstrip('. ')}{shown}".replace("\n", " "), place)
