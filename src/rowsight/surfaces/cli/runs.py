"""``rowsight runs|show|resume|ledger``: what the ledger knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rowsight.core.errors import InputError
from rowsight.surfaces.cli.options import JSON_OPTION, STATE_OPTION
from rowsight.surfaces.cli.terminal import say


def _state(state: Path | None) -> Path:
    from rowsight.session import Session  # noqa: PLC0415 - commands load what they use

    return Session(state=state).state_directory


def _admin(state: Path | None) -> Any:
    from rowsight.calls.ledger.admin import LedgerAdmin  # noqa: PLC0415 - commands load what they use

    return LedgerAdmin(_state(state))


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


@click.command("runs")
@STATE_OPTION
@JSON_OPTION
def runs(state: Path | None, *, as_json: bool) -> None:
    """List the runs of the ledger, the newest first."""
    from rowsight.surfaces.cli import show as printing  # noqa: PLC0415 - commands load what they use

    found = sorted(_admin(state).runs(), key=lambda r: -r.started)
    if as_json:
        printing.json_object({"runs": [_run_dict(r) for r in found]})
        return
    for run in found:
        spent = run.account.spent
        what = run.spec.get("command", "python")
        say(
            f"{run.id}  {_when(run.started)}  {run.status:<11} {what:<9} {spent.calls:>8,} calls  {spent.tokens:>10,} tokens"
        )
    if not found:
        say("no runs yet")


@click.command("show")
@click.argument("run")
@STATE_OPTION
@JSON_OPTION
def show(run: str, state: Path | None, *, as_json: bool) -> None:
    """Show one run: its command, its account, its report."""
    from rowsight.surfaces.cli import show as printing  # noqa: PLC0415 - commands load what they use

    found = _run_dict(_admin(state).run(run))
    if as_json:
        printing.json_object(found)
        return
    for name, value in found.items():
        if isinstance(value, dict):
            say(f"{name}:")
            for key, inner in value.items():
                say(f"  {key}: {inner}")
        else:
            say(f"{name}: {value}")


def _run_dict(run: Any) -> dict[str, Any]:
    spent = run.account.spent
    return {
        "run": run.id,
        "status": run.status,
        "started": _when(run.started),
        "ended": _when(run.ended),
        "resumed": run.resumed,
        "spent": {"calls": spent.calls, "tokens": spent.tokens, "usd": spent.microusd / 1e6},
        "budget": None if run.account.budget is None else str(run.account.budget),
        "spec": run.spec,
        "report": run.report,
    }


@click.command("resume")
@click.argument("run")
@click.option("--budget", metavar="CAP", help="A new cap over all that the run spends, the past included.")
@STATE_OPTION
@JSON_OPTION
def resume(run: str, budget: str | None, state: Path | None, *, as_json: bool) -> int:
    """Go on with RUN: the same command, under the same account; what was answered is not asked again."""
    from rowsight.operators import operator  # noqa: PLC0415 - commands load what they use
    from rowsight.plan.goal import FIGURES  # noqa: PLC0415
    from rowsight.surfaces.cli.asks import ask  # noqa: PLC0415
    from rowsight.surfaces.cli.figures import estimate  # noqa: PLC0415
    from rowsight.surfaces.cli.gathers import GATHERS, gather  # noqa: PLC0415

    found = _admin(state).run(run)
    if "values" not in found.spec:
        started = found.spec.get("command")
        again = f"give its command, rowsight {started}, again" if started else "run its script again"
        raise InputError(f"run {run} can't be gone on with by its name; {again}: nothing is asked twice")
    values = _values(found.spec["values"])
    values |= {"as_json": as_json, "yes": True, "state": _state(state)}
    if budget is not None:
        values["budget"] = budget
    elif found.account.budget is not None:
        values["budget"] = str(found.account.budget)
    command = found.spec["command"]
    if command in GATHERS:
        return gather(command, values, resuming=run)
    if command in FIGURES:
        return estimate(command, values, resuming=run)
    return ask(operator(command), values, resuming=run)


def _values(spec: dict[str, Any]) -> dict[str, Any]:
    paths = ("out", "schema", "endpoints", "unjudged", "provenance", "certificate", "curve")
    found = {k: Path(v) if k in paths and v is not None else v for k, v in spec.items()}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


@click.group("ledger")
def ledger() -> None:
    """Look after the ledger."""


@ledger.command("stats")
@STATE_OPTION
@JSON_OPTION
def stats(state: Path | None, *, as_json: bool) -> None:
    """Say what the ledger holds."""
    _print(_admin(state).stats(), as_json=as_json)


@ledger.command("verify")
@STATE_OPTION
@JSON_OPTION
def verify(state: Path | None, *, as_json: bool) -> int:
    """Check the ledger's file and what it says of itself."""
    found = _admin(state).verify()
    _print(found, as_json=as_json)
    return 0 if found["ok"] else 2


@ledger.command("forget")
@click.option("--run", metavar="RUN", help="What this run recorded.")
@click.option("--model", metavar="NAME", help="Answers of this model.")
@click.option("--before", metavar="DATE", help="What was recorded before this day (UTC), such as 2026-01-31.")
@click.option("--failures", "failures_only", is_flag=True, help="Failures only.")
@STATE_OPTION
@JSON_OPTION
def forget(
    run: str | None, model: str | None, before: str | None, state: Path | None, *, failures_only: bool, as_json: bool
) -> None:
    """Delete answers; they are asked again when they are needed again."""
    if run is None and model is None and before is None and not failures_only:
        raise InputError("forget what? Name --run, --model, --before or --failures")
    found = _admin(state).forget(run=run, model=model, before=_day(before), failures_only=failures_only)
    _print({"forgotten": found}, as_json=as_json)


@ledger.command("export")
@click.argument("path", type=click.Path(path_type=Path))
@STATE_OPTION
@JSON_OPTION
def export(path: Path, state: Path | None, *, as_json: bool) -> None:
    """Write every answer and failure to PATH (.jsonl or .parquet); a damaged ledger gives what is readable."""
    _print({"exported": _admin(state).export(path), "path": str(path)}, as_json=as_json)


def _day(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InputError(f"--before {text!r} is not a day; write one such as 2026-01-31") from None


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    from rowsight.surfaces.cli import show as printing  # noqa: PLC0415 - commands load what they use

    if as_json:
        printing.json_object(found)
        return
    for name, value in found.items():
        say(f"{name}: {value}")


COMMANDS = {"runs": runs, "show": show, "resume": resume, "ledger": ledger}
