"""The options that commands share, and how their words become values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.core.errors import InputError, SchemaError

if TYPE_CHECKING:
    from rowsight.execution.options import RunOptions

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
MODEL_OPTIONS = (
    click.option("--model", required=True, metavar="NAME", help="The model to ask."),
    click.option(
        "--base-url",
        multiple=True,
        metavar="URL",
        help="An OpenAI-compatible server [default: $OPENAI_BASE_URL, else OpenAI]; repeat it, as URL;weight=2;priority=1, "
        "for several servers of the model.",
    ),
    click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, metavar="VAR", help="Where the key is."),
    click.option("--endpoints", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of endpoints."),
    click.option("--concurrency", type=int, default=256, show_default=True, metavar="N", help="Most calls in flight."),
    click.option("--rpm", type=int, metavar="N", help="Most requests a minute."),
    click.option("--tpm", type=int, metavar="N", help="Most tokens a minute."),
    click.option("--budget", metavar="CAP", help="500calls, 2Mtokens or 3.50usd: never exceeded."),
    click.option("--price-in", type=float, metavar="USD", help="Dollars per million prompt tokens."),
    click.option("--price-out", type=float, metavar="USD", help="Dollars per million completion tokens."),
    click.option(
        "--timeout", type=float, default=60.0, show_default=True, metavar="S", help="Seconds until a call hangs."
    ),
    click.option(
        "--attempts", type=int, default=6, show_default=True, metavar="N", help="Most requests for a question."
    ),
    click.option("--max-tokens", type=int, metavar="N", help="Cap of a completion, reasoning included."),
    click.option(
        "--rows-per-call",
        type=int,
        default=1,
        show_default=True,
        metavar="N",
        help="Most short rows that share a request.",
    ),
    click.option("--truncate", is_flag=True, help="Cut rows longer than the model's window instead of failing them."),
    click.option("--features", metavar="COLUMN", help="A column of vectors that the proxy sees beside the words."),
    click.option("--self-agreement", type=int, default=0, metavar="N", help="Ask N certified rows twice, and report."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seeds every random choice."),
    click.option(
        "--state", type=click.Path(path_type=Path), metavar="DIR", help="Where the ledger lives [$ROWSIGHT_STATE]."
    ),
    click.option("--no-ledger", is_flag=True, help="Keep answers only as long as the run."),
    click.option("--store-prompts", is_flag=True, help="Keep prompts in the ledger, too."),
    JSON_OPTION,
)
ON_FAILURE_OPTION = click.option(
    "--on-failure",
    type=click.Choice(["null", "raise"]),
    default="null",
    show_default=True,
    help="Leave rows that failed without an answer, or end with an error once every answer is kept and every file written.",
)
INTO_OPTION = click.option("--into", metavar="NAME", help="The column for the answers [default: answer].")
OUT_OPTION = click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="CSV, JSON Lines, Parquet or Arrow."
)
JOB_OPTIONS = (
    click.option("--limit", type=int, metavar="N", help="Only the first N rows."),
    click.option("--where", metavar="SQL", help="Only the rows for which a SQL predicate holds."),
    click.option("--dry-run", is_flag=True, help="Say what it would cost, and stop."),
    click.option("--yes", is_flag=True, help="Don't ask before spending."),
)
RUN_OPTIONS = (
    OUT_OPTION,
    *JOB_OPTIONS,
    ON_FAILURE_OPTION,
    click.option(
        "--unjudged", type=click.Path(path_type=Path), metavar="FILE", help="Rows without an answer, in full."
    ),
    click.option(
        "--curve", type=click.Path(path_type=Path), metavar="FILE", help="Spent against promised (.svg, .json)."
    ),
    click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Save the certificate (JSON)."),
    click.option("--provenance", type=click.Path(path_type=Path), metavar="FILE", help="Where each answer comes from."),
)
STATE_OPTION = click.option(
    "--state", type=click.Path(path_type=Path), metavar="DIR", help="Where the ledger lives [$ROWSIGHT_STATE]."
)


class LevelType(click.ParamType[float | str]):
    """A share such as 0.9, or ``best``."""

    name = "level"

    def convert(self, value: float | str, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the share as a number, and ``best`` as it is."""
        if value == "best" or isinstance(value, float):
            return value
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a share such as 0.9 nor 'best', what the budget buys", param, ctx)


_LEVEL: dict[str, Any] = {"type": LevelType(), "metavar": "X"}
LEVELS = {
    "precision": click.option("--precision", **_LEVEL, help="Share of kept rows that are right, or best."),
    "recall": click.option("--recall", **_LEVEL, help="Share of right rows that are kept, or best."),
    "missed": click.option("--missed", type=float, metavar="X", help="Most rows overlooked, as a share of all rows."),
    "accuracy": click.option("--accuracy", **_LEVEL, help="Share of rows answered as the model would, or best."),
}
CASCADE_OPTIONS = (
    click.option(
        "--cascade",
        multiple=True,
        metavar="NAME",
        help="A cheaper model between proxy and model, where it saves money.",
    ),
    click.option("--cascade-price-in", type=float, metavar="USD", help="Its dollars per million prompt tokens."),
    click.option("--cascade-price-out", type=float, metavar="USD", help="Its dollars per million completion tokens."),
)
CONFIDENCE_OPTIONS = (
    click.option(
        "--certify/--no-certify",
        default=None,
        help="Without a level: the best promise that --budget buys, or none [default: where it is in usd].",
    ),
    click.option("--confidence", type=float, metavar="X", help="Of the guarantee [default: 0.95]."),
    click.option("--by", metavar="COLUMN", help="Hold the guarantee in every group of a column."),
)
FOLLOW_OPTION = click.option(
    "--follow", metavar="NAME", help="Go on as the table grows: only new rows are paid for, the guarantee is extended."
)
_RUN_FIELDS = (
    *("model", "base_url", "api_key_env", "endpoints", "concurrency", "rpm", "tpm", "budget", "price_in", "price_out"),
    *(
        "timeout",
        "attempts",
        "max_tokens",
        "rows_per_call",
        "truncate",
        "on_failure",
        "seed",
        "features",
        "self_agreement",
        "cascade",
        "cascade_price_in",
        "cascade_price_out",
        "store_prompts",
    ),
)


def with_options(options: tuple[Decorator, ...]) -> Decorator:
    """Return a decorator that adds ``options``, shown in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def run_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of ``RunOptions`` out of a command's values."""
    return {name: values[name] for name in _RUN_FIELDS if name in values} | {"ledger": not values["no_ledger"]}


def checked_options(values: Mapping[str, Any]) -> RunOptions:
    """Return the run options of a command; ``InputError`` where one makes no sense."""
    from rowsight.execution.options import RunOptions  # noqa: PLC0415 - commands load what they use

    return RunOptions(**run_options(values))


def label_list(record: str | None, repeated: tuple[str, ...]) -> list[str]:
    """Return the labels of ``--labels a,b`` (one CSV record) and of repeated ``--label``."""
    try:
        rows = list(csv.reader(io.StringIO(record or "", newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(f"--labels {record!r} is not a CSV record: {error}") from None
    if len(rows) > 1:
        raise InputError(
            "--labels is one CSV record, and several lines stand there; put a label with a line break in quotes"
        )
    return [label.strip() for label in (*(rows[0] if rows else ()), *repeated)]


def number_range(text: str) -> tuple[float, float]:
    """Return the range of ``0..10``."""
    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else "no range")
    except ValueError:
        raise InputError(
            f"--range {text!r} is not a range; write the lowest and the highest number, as in 0..10"
        ) from None


def field_types(fields: tuple[str, ...], schema: Path | None) -> dict[str, Any]:
    """Return the fields of ``--field name:type`` or the JSON Schema of ``--schema FILE``."""
    if bool(fields) == bool(schema):
        raise InputError("extract needs --field name:type (repeatable) or --schema FILE, one of the two")
    if schema:
        return _schema_file(schema)
    found: dict[str, Any] = {}
    for item in fields:
        name, colon, kind = item.partition(":")
        if not (name.strip() and colon and kind.strip()):
            raise InputError(f"--field {item!r} is not name:type; write one such as amount:number")
        if name.strip() in found:
            raise InputError(f"--field {name.strip()!r} is given twice; name each field once")
        found[name.strip()] = kind.strip()
    return found


def _schema_file(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--schema {path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"--schema {path} is not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise SchemaError(f"--schema {path} is not a JSON Schema: it holds no object")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **loaded}
