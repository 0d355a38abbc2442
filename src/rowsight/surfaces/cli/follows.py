"""``rowsight follows``: the questions that are asked again as their tables grow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.surfaces.cli.options import JSON_OPTION, STATE_OPTION

if TYPE_CHECKING:
    from rowsight.execution.follows import Follow


@click.command("follows")
@click.argument("name", required=False)
@STATE_OPTION
@JSON_OPTION
def follows(name: str | None, state: Path | None, *, as_json: bool) -> None:
    """List the followed questions, or the versions of NAME: rows, calls, level reached, drift."""
    from rowsight.execution.follows import followed  # noqa: PLC0415 - commands load what they use
    from rowsight.session import Session  # noqa: PLC0415
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    found = followed(Session(state=state).state_directory, name)
    if as_json:
        show.json_object({"follows": [_as_dict(follow) for follow in found]})
        return
    for follow in found:
        click.echo(_line(follow))
        for version in follow.versions if name is not None else ():
            click.echo(f"  {_version_line(version)}")
    if not found:
        click.echo("nothing is followed yet; --follow NAME begins")


def _as_dict(follow: Follow) -> dict[str, Any]:
    versions = [{k: v for k, v in version.items() if k != "certificate"} for version in follow.versions]
    return {"name": follow.name, **follow.definition, "spent": follow.spent, "versions": versions}


def _line(follow: Follow) -> str:
    said = follow.definition
    versions, rows = len(follow.versions), len(follow.rows.keys)
    levels = ", ".join(f"{metric} {level:g}" for metric, level in said["guarantee"].items())
    return (
        f"{follow.name}: {said['operator']} {said['question']!r} with {levels}, {said['model']}; {versions:,} "
        f"version{'s' * (versions != 1)}, {rows:,} row{'s' * (rows != 1)}; {follow.spent:.3g} of {1 - said['confidence']:.3g} spent"
    )


def _version_line(version: dict[str, Any]) -> str:
    reached = ", ".join(f"{metric} {level:.4f}" for metric, level in version["reached"].items())
    again = f", {version['opened_again']:,} certified anew" if version["opened_again"] else ""
    drift = "; DRIFT" if version["drift"] and version["drift"]["alarm"] else ""
    proved = "proved" if version["certified"] else "NOT CERTIFIED, proved"
    return (
        f"version {version['version']:,}: {version['new']:,} new rows of {version['rows']:,}{again}; {version['asked']:,} asked, "
        f"{version['calls']:,} calls; {proved} {reached}{drift}"
    )


COMMANDS = {"follows": follows}
