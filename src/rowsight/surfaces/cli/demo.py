"""``rowsight demo``: the main job, on a generated table and a simulated model."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rowsight.execution.audit import Audit
    from rowsight.execution.result import Result
    from rowsight.worlds import WorldQuestions

_REVIEWED = 200
"""Answers that people review."""
_WORLDS = ("support", "finance", "clinic", "factory", "retail")


@click.command("demo")
@click.option(
    "--world", type=click.Choice(_WORLDS), default="support", show_default=True, help="What the table is about."
)
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="The table's language.")
@click.option("--rows", type=int, default=6000, show_default=True, help="Rows of the table.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seeds the table and every random choice.")
@click.option("--recall", type=float, default=0.9, show_default=True, help="The recall to certify.")
@click.option("--precision", type=float, default=0.9, show_default=True, help="The precision to certify.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("rowsight-demo"), show_default=True, metavar="DIR")
def demo(world: str, lang: str, rows: int, seed: int, recall: float, precision: float, out: Path) -> None:
    """Make a table, start a simulated model, filter and classify the table through it, and show what came of it."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - commands load what they use

    from rowsight import worlds  # noqa: PLC0415
    from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth  # noqa: PLC0415
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    asked = worlds.questions(world, lang)
    table = worlds.generate(world, lang, rows, seed)
    path = out / f"{world}.{lang}.parquet"
    pq.write_table(table, path)
    click.echo(f"{asked.about}: {rows:,} rows with known truth, written to {path}")
    config = SimulationConfig(
        text="text",
        truths=(Truth(asked.classify.model, _pattern(asked.labels)), Truth(asked.filter.model)),
        latency_ms=5.0,
    )
    with SimulatedServer(config, table.to_batches()) as server, TemporaryDirectory(prefix="rowsight-demo-") as state:
        click.echo(f"A simulated model answers at {server.base_url}; it errs on some rows, as models do.\n")
        options = {"model": "sim", "base_url": server.base_url, "seed": seed, "price_in": 0.25, "price_out": 2.0}
        kept, labelled = _run(path, asked, Path(state), options, precision, recall)
        audit = _audit(kept, table, asked, out / "review.csv")
    show.rows(labelled.head(show.SHOWN_ROWS).select(["id", "topic", "text"]), len(labelled))
    click.echo(show.report_text(kept.report))
    click.echo(show.report_text(labelled.report))
    _compare(kept, table, asked, lang, out)
    click.echo(f"\nAgainst people (here the world's truth fills in {out / 'review.csv'}):")
    for line in audit.lines():
        click.echo(line)
    click.echo(
        "\nThe model was simulated. With a real one: "
        f"rowsight filter {path} '{asked.filter.prompt}' --model NAME --base-url URL (the key from $OPENAI_API_KEY)"
    )


def _pattern(labels: tuple[str, ...]) -> str:
    """Return a pattern that only the prompt of the classification matches: its labels, listed."""
    import re  # noqa: PLC0415 - commands load what they use

    return "- " + re.escape(labels[0])


def _run(
    path: Path, asked: WorldQuestions, state: Path, options: dict[str, Any], precision: float, recall: float
) -> tuple[Result, Result]:
    from rowsight.session import Session  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli import show  # noqa: PLC0415
    from rowsight.surfaces.table import read  # noqa: PLC0415

    progress = show.ProgressLine(quiet=not sys.stderr.isatty())
    session = Session(state=state, listener=progress)
    table = read(path, session=session)
    found = table.filter(asked.filter.prompt, precision=precision, recall=recall, into="keep", keep_all=True)
    click.echo(found.explain())
    click.echo(found.estimate(**options).text())
    with progress:
        kept = found.run(**options)
        rows = read(kept.to_arrow().filter(kept.to_arrow().column("keep")), session=session)
        labelled = rows.classify(asked.classify.prompt, asked.labels, into="topic").run(**options)
    return kept, labelled


def _compare(kept: Result, table: Any, asked: WorldQuestions, lang: str, out: Path) -> None:
    """Print promised against true, the calls saved, and the picture of the run."""
    from rowsight.surfaces import picture  # noqa: PLC0415 - commands load what they use

    certificate = kept.certificate
    assert certificate is not None
    answers = kept.to_arrow().column("keep").to_pylist()
    click.echo(f"\n{certificate.body['statement'][lang]}")
    for name, column in (("the model's answers", asked.filter.model), ("the world's truth", asked.filter.truth)):
        real = _figures(answers, table.column(column).to_pylist())
        click.echo(f"  against {name}: precision {real[0]:.3f}, recall {real[1]:.3f}")
    calls, rows = kept.report.calls, kept.report.total("rows")
    click.echo(f"  calls: {calls:,} for {rows:,} rows, {1 - calls / rows:.0%} saved")
    certificate.save(out / "certificate.json")
    histogram = (kept.report.asks[0].cascade or {}).get("histogram")
    if histogram:
        click.echo("\n" + picture.terminal(histogram))
        (out / "cascade.svg").write_text(picture.svg(histogram, asked.filter.prompt), encoding="utf-8")
        click.echo(f"The same picture: {out / 'cascade.svg'}; the certificate: {out / 'certificate.json'}")


def _audit(kept: Result, table: Any, asked: WorldQuestions, sheet: Path) -> Audit:
    """Draw answers for review, let the world's truth fill the sheet in as people would, and say what it proves."""
    from rowsight.engines.sheets import read_sheet, write_sheet  # noqa: PLC0415 - commands load what they use
    from rowsight.execution.review import YOURS  # noqa: PLC0415

    kept.sample_for_review(min(_REVIEWED, kept.report.total("rows")), sheet, into="keep")
    truth = dict(
        zip(map(str, table.column("id").to_pylist()), table.column(asked.filter.truth).to_pylist(), strict=True)
    )
    cells = {name: [cell or "" for cell in column] for name, column in read_sheet(sheet).items()}
    cells[YOURS] = ["" if truth[row] is None else "yes" if truth[row] else "no" for row in cells["id"]]
    write_sheet(sheet, cells)
    return kept.audit(sheet)


def _figures(answers: list[bool | None], truth: list[bool | None]) -> tuple[float, float]:
    """Return precision and recall of the answers yes; 1 where there is nothing to be wrong about."""
    both = sum(a is True and t is True for a, t in zip(answers, truth, strict=True))
    kept, right = sum(a is True for a in answers), sum(t is True for t in truth)
    return (both / kept if kept else 1.0), (both / right if right else 1.0)


COMMANDS = {"demo": demo}
