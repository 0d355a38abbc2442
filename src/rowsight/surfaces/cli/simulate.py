"""``rowsight simulate``: a model server that answers from a table's truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.surfaces.cli.options import with_options

_FLAGS: tuple[Callable[..., Any], ...] = (
    click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        metavar="N",
        help="The port to listen on; 0 picks one and prints it.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seeds noise and faults."),
    click.option("--latency", "latency_ms", type=float, default=0.0, metavar="MS", help="Median latency."),
    click.option("--latency-sigma", type=float, default=0.0, metavar="S", help="Shape of a log-normal latency."),
    click.option("--noise", type=float, default=0.0, metavar="SHARE", help="Share of wrong answers."),
    click.option("--noise-mode", type=click.Choice(["row", "call"]), default="row", show_default=True),
    click.option(
        "--model-noise", multiple=True, metavar="NAME=SHARE", help="Share of wrong answers of one model; repeatable."
    ),
    click.option("--drift-after", type=int, metavar="N", help="After N calls the noise changes."),
    click.option("--drift-noise", type=float, default=0.0, metavar="SHARE", help="Noise after the drift."),
    click.option("--drift-fingerprint", is_flag=True, help="Say so in system_fingerprint."),
    click.option(
        "--rate-429", "--error-429", "rate_429", type=float, default=0.0, metavar="SHARE", help="Too many requests."
    ),
    click.option("--retry-after", type=float, default=1.0, show_default=True, metavar="S", help="Sent with a 429."),
    click.option(
        "--rate-500", "--error-500", "rate_500", type=float, default=0.0, metavar="SHARE", help="Server errors."
    ),
    click.option("--rate-drop", type=float, default=0.0, metavar="SHARE", help="Dropped connections."),
    click.option("--rate-hang", type=float, default=0.0, metavar="SHARE", help="Calls never answered."),
    click.option("--rate-malformed", type=float, default=0.0, metavar="SHARE", help="Broken or off-format answers."),
    click.option("--rate-refusal", type=float, default=0.0, metavar="SHARE", help="Refusals."),
    click.option("--max-concurrency", type=int, metavar="N", help="More calls in flight get a 429."),
    click.option("--capacity", type=int, metavar="N", help="More calls in flight wait their turn."),
    click.option("--window", type=int, metavar="TOKENS", help="The longest prompt."),
    click.option("--think", type=int, default=0, metavar="TOKENS", help="Spent before each answer."),
    click.option("--reject-json-schema", is_flag=True, help="Refuse response_format json_schema."),
    click.option("--reject-max-tokens", is_flag=True, help="Want max_completion_tokens."),
    click.option("--reject-temperature", is_flag=True, help="Refuse temperature."),
    click.option("--reject-logprobs", is_flag=True, help="Refuse logprobs."),
    click.option("--require-key", metavar="KEY", help="Answer 401 without this bearer key."),
    click.option("--unknown-model", is_flag=True, help="Answer 404 to any model but sim."),
)


@click.command("simulate")
@click.argument("table")
@click.option(
    "--truth", "truths", multiple=True, metavar="[REGEX=]EXPR", help="Column or SQL with the right answers; repeatable."
)
@click.option("--text", required=True, metavar="COLUMN", help="The column whose text stands in the prompts.")
@click.option("--hook", metavar="MODULE:FUNCTION", help="Python for what a column can't say.")
@with_options(_FLAGS)
def simulate(table: str, truths: tuple[str, ...], text: str, hook: str | None, **values: Any) -> None:
    """Serve a simulated model on loopback: OpenAI-compatible, answers from the truth in TABLE, whatever client asks."""
    from rowsight.calls.simulated import SimulationConfig, Truth, load_hook, serve  # noqa: PLC0415 - commands load what they use
    from rowsight.session import Session  # noqa: PLC0415

    if not truths and hook is None:
        raise InputError("the simulated model knows no answers: give --truth COLUMN, or --hook module:function")
    session = Session()
    scan = session.scan(table)
    if text not in scan.columns:
        raise ColumnError(f"the table has no column {text!r} for --text{nearest(text, scan.columns)}")
    with session.opened(scan) as relations:
        named = [_truth(truth, scan, relations, several=len(truths) > 1) for truth in truths]
        columns = {text: _quoted(text)} | {f"truth {i}": sql for i, (_, sql) in enumerate(named)}
        values["model_noise"] = dict(map(_model_noise, values["model_noise"]))
        config = SimulationConfig(
            text=text,
            truths=tuple(Truth(f"truth {i}", pattern) for i, (pattern, _) in enumerate(named)),
            hook=load_hook(hook) if hook else None,
            **values,
        )
        serve(config, relations.computed(scan, columns, 8192), ready=_say_ready)


def _model_noise(text: str) -> tuple[str, float]:
    """Return the model and the share of ``NAME=SHARE``."""
    name, _, share = text.rpartition("=")
    try:
        return name, float(share if name else "no share")
    except ValueError:
        raise InputError(f"--model-noise {text!r} is not NAME=SHARE; write one such as small=0.1") from None


def _truth(text: str, scan: Any, relations: Any, *, several: bool) -> tuple[str | None, str]:
    """Return the pattern and the SQL of ``EXPR`` or ``REGEX=EXPR``.

    Where both readings are possible (``label='spam'``), one truth is SQL, and of several each is ``REGEX=EXPR``.
    """
    if text in scan.columns:
        return None, _quoted(text)
    pattern, equals, sql = text.partition("=")
    if sql in scan.columns:
        return pattern, _quoted(sql)
    named = bool(equals) and relations.binds(scan, sql)
    if named and (several or not relations.binds(scan, text)):
        return pattern, sql
    if relations.binds(scan, text):
        return None, text
    raise ColumnError(
        f"--truth {text!r} is neither a column nor a SQL expression over the table{nearest(text, scan.columns)}"
    )


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _say_ready(base_url: str) -> None:
    click.echo(f"Serving the simulated model 'sim' at {base_url}")


COMMANDS = {"simulate": simulate}
