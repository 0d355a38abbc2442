"""``rowsight filter|classify|extract|score|complete``: one command for each operator, made of its declaration."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.core.errors import InputError, OutputError, UnansweredError
from rowsight.operators import OPERATORS, Declaration, Parameter
from rowsight.plan.nodes import Ask
from rowsight.surfaces.cli.interrupt import interruptible
from rowsight.surfaces.cli.options import (
    CASCADE_OPTIONS,
    CONFIDENCE_OPTIONS,
    FOLLOW_OPTION,
    INTO_OPTION,
    LEVELS,
    MODEL_OPTIONS,
    RUN_OPTIONS,
    Decorator,
    checked_options,
    field_types,
    label_list,
    number_range,
    run_options,
    with_options,
)
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    from rowsight.session import Session
    from rowsight.surfaces.cli.show import ProgressLine
    from rowsight.surfaces.table import Table

_PARAMETER_OPTIONS: dict[str, tuple[Decorator, ...]] = {
    "labels": (
        click.option("--labels", metavar="A,B,C", help="The labels, as one CSV record."),
        click.option("--label", multiple=True, metavar="NAME", help="One more label; repeatable."),
    ),
    "flag": (),
    "range": (click.option("--range", "range_text", default="0..10", show_default=True, metavar="LOW..HIGH"),),
    "fields": (
        click.option("--field", multiple=True, metavar="NAME:TYPE", help="A field to read; repeatable."),
        click.option("--schema", type=click.Path(path_type=Path), metavar="FILE", help="The JSON Schema of an object."),
    ),
}


def ask_command(declaration: Declaration) -> click.Command:
    """Return the command of an operator."""

    def callback(table: str, question: str, **values: Any) -> int:
        return ask(declaration, {"table": table, "question": question, **values})

    options = (*_own_options(declaration), INTO_OPTION, *RUN_OPTIONS, *_levels(declaration), *MODEL_OPTIONS)
    arguments = (click.argument("table"), click.argument("question"))
    decorated = with_options((*arguments, *options))(callback)
    example = f"Example: rowsight {declaration.name} tickets.parquet '{declaration.example}' --model NAME"
    return click.command(declaration.name, help=f"{declaration.summary}\n\n{example}")(decorated)


def _own_options(declaration: Declaration) -> tuple[Decorator, ...]:
    found: list[Decorator] = []
    for parameter in declaration.parameters:
        found += _PARAMETER_OPTIONS[parameter.kind] or (_flag(parameter),)
    if declaration.drops_rows:
        found.append(click.option("--keep-all", is_flag=True, help="Keep every row, with the answer as a column."))
    return tuple(found)


def _flag(parameter: Parameter) -> Callable[..., Any]:
    return click.option(f"--{parameter.name}", is_flag=True, help=parameter.help)


def _levels(declaration: Declaration) -> tuple[Decorator, ...]:
    within = (click.option("--within", type=float, metavar="X", help="Largest difference that counts as right."),)
    follow = (FOLLOW_OPTION,) if declaration.metrics else ()
    score = within if declaration.name == "score" else ()
    return (*LEVELS.values(), *CONFIDENCE_OPTIONS, *score, *CASCADE_OPTIONS, *follow)


def ask(declaration: Declaration, values: dict[str, Any], *, resuming: str | None = None) -> int:
    """Run an operator's command with these values; ``resuming`` names the run to go on with."""
    return put(declaration.name, values, lambda session: _table(declaration, values, session), resuming=resuming)


def put(command: str, values: dict[str, Any], made: Callable[[Any], Any], *, resuming: str | None = None) -> int:
    """Run what ``made`` makes of a session: a table or a figure that is to be asked for."""
    from rowsight.execution.bought import SAID, bought  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    options = checked_options(values)
    session, progress = watched(values)
    table = made(session)
    plan = bought(table.plan, options)
    if plan is not table.plan and not values["as_json"] and (values["dry_run"] or _person(values)):
        say(SAID.format(options.budget))
    if only_estimated(table, values):
        return 0
    certified = isinstance(plan, Ask) and plan.guarantee is not None
    if values.get("certify", True) is None:  # what the budget was taken for stays so when the run is gone on with
        values = values | {"certify": plan is not table.plan}
    _check_apart(values)
    for name in ("out", "unjudged", "provenance"):
        show.check_output(values[name])
    for name in ("certificate", "curve"):
        _check_certificate(name, values[name], certified=certified)
    spec = {"command": command, "values": plain_values(values)}
    with progress, interruptible(session, certified=certified) as interrupted:
        try:
            result = session.run(table.plan, options, out=values["out"], spec=spec, resuming=resuming)
        except UnansweredError as error:
            show.side_outputs(error.result, values)
            raise
    show.side_outputs(result, values)
    show.result(result, as_json=values["as_json"], out=values["out"])
    if interrupted.is_set():
        return 130
    return 3 if result.report.budget_spent else 0


def _check_apart(values: dict[str, Any]) -> None:
    """Raise ``OutputError`` where two files to write are the same, or one is the table that is read."""
    places = {Path(values["table"]).resolve(): "TABLE"}
    for name in ("out", "unjudged", "provenance", "certificate", "curve"):
        if (path := values[name]) is not None:
            other = places.setdefault(path.resolve(), f"--{name}")
            if other != f"--{name}":
                raise OutputError(f"{other} and --{name} are the same file {path}; give each a file of its own")


def _check_certificate(name: str, path: Path | None, *, certified: bool) -> None:
    if path is None:
        return
    from rowsight.execution import curve_picture  # noqa: PLC0415 - commands load what they use

    if not certified:
        raise InputError(f"--{name} has nothing to save: ask for a guarantee, such as --recall 0.9")
    if name == "curve":
        curve_picture.check_curve(path)
    elif not path.absolute().parent.is_dir():
        raise OutputError(f"--{name} {path} can't be written: the folder {path.parent} doesn't exist; make it first")


def source(values: dict[str, Any], session: Any) -> Table:
    """Return the table that a command names, with its ``--where`` and ``--limit``."""
    from rowsight.surfaces.table import read  # noqa: PLC0415 - commands load what they use

    table = read(values["table"], session=session)
    if values["where"]:
        table = table.where(values["where"])
    return table if values.get("limit") is None else table.limit(values["limit"])


def _table(declaration: Declaration, values: dict[str, Any], session: Any) -> Table:
    table = source(values, session)
    demand: dict[str, Any] = {name: values[name] for name in (*LEVELS, "certify", "confidence", "by") if name in values}
    unfit = [name for name in LEVELS if name not in declaration.metrics and values.get(name) is not None]
    if unfit:
        offers = " or ".join(declaration.metrics)
        has = f"it is certified by {offers}" if offers else "it has no guarantee"
        raise InputError(f"{declaration.name} has no {unfit[0]} guarantee: {has}; leave --{unfit[0]} out")
    verb = getattr(table, declaration.name)
    asked: Table = verb(
        values["question"], **_parameters(declaration, values), **_accepted(declaration, demand, values)
    )
    return asked


def _accepted(declaration: Declaration, demand: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    kept = {"into": values["into"]}
    if declaration.metrics:
        kept |= {name: demand[name] for name in (*declaration.metrics, "certify", "confidence", "by")}
        kept["follow"] = values.get("follow")
    elif demand["confidence"] is not None or demand["by"] is not None or demand["certify"]:
        raise InputError(f"{declaration.name} has no guarantee; leave --certify, --confidence and --by out")
    if declaration.drops_rows:
        kept["keep_all"] = values["keep_all"]
    if "within" in values:
        kept["within"] = values["within"]
    return kept


def _parameters(declaration: Declaration, values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in declaration.parameters:
        match parameter.kind:
            case "labels":
                found[parameter.name] = _given_labels(values)
            case "range":
                found[parameter.name] = number_range(values["range_text"])
            case "fields":
                found[parameter.name] = field_types(values["field"], values["schema"])
            case "flag":
                found[parameter.name] = values[parameter.name]
    return found


def _given_labels(values: dict[str, Any]) -> list[str]:
    if labels := label_list(values["labels"], values["label"]):
        return labels
    raise InputError("classify needs labels: --labels a,b,c or --label a --label b")


def watched(values: dict[str, Any]) -> tuple[Session, ProgressLine]:
    """Return a command's session, and the line on which its progress is shown."""
    from rowsight.session import Session  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli.show import ProgressLine  # noqa: PLC0415

    progress = ProgressLine(quiet=values["as_json"] or not sys.stderr.isatty())
    return Session(state=values["state"], listener=progress), progress


def only_estimated(asked: Any, values: dict[str, Any]) -> bool:
    """Show what it would cost where no more is wanted, and say so; else make sure that it may be spent."""
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    if values["dry_run"]:
        show.estimate(asked.estimate(**run_options(values)), as_json=values["as_json"])
    elif not agreed(asked, values):
        raise click.Abort
    return bool(values["dry_run"])


def agreed(asked: Any, values: dict[str, Any]) -> bool:
    """Ask before spending, where there is a person to ask and the job isn't small."""
    if not _person(values):
        return True
    estimate = asked.estimate(**run_options(values))
    if estimate.calls_high < 1000:  # noqa: PLR2004 - a job that nobody regrets
        return True
    return click.confirm(f"{estimate.line()}. Go on?", default=True, err=True)


def _person(values: dict[str, Any]) -> bool:
    """Whether there is somebody to ask."""
    return not (values["yes"] or values["as_json"]) and sys.stdin.isatty() and sys.stderr.isatty()


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as JSON can keep them, paths made absolute so that ``resume`` finds them anywhere."""
    paths = {"out", "state", "schema", "endpoints", "unjudged", "provenance", "certificate", "curve"}
    plain = {k: str(Path(v).absolute()) if k in paths and v is not None else v for k, v in values.items()}
    return plain | {"table": str(Path(values["table"]).absolute())}


COMMANDS = {declaration.name: ask_command(declaration) for declaration in OPERATORS}
