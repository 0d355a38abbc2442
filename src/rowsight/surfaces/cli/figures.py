"""``rowsight count|share|mean``: a figure of the whole table with an interval, few rows asked."""

from __future__ import annotations

from typing import Any

import click

from rowsight.plan.goal import FIGURES
from rowsight.surfaces.cli.asks import put, source
from rowsight.surfaces.cli.options import MODEL_OPTIONS, RUN_OPTIONS, Decorator, number_range, with_options

_ABOUT = {
    "count": ("how many rows of TABLE the model would answer yes", "Is {text} a complaint?", "--within 0.01"),
    "share": ("the share of TABLE's rows that the model would answer yes", "Is {text} a complaint?", "--within 0.01"),
    "mean": ("the mean of the numbers that the model would give TABLE's rows", "How angry is {text}?", "--within 0.1"),
}
_RANGE = click.option("--range", "range_text", default="0..10", show_default=True, metavar="LOW..HIGH")
_GOAL: tuple[Decorator, ...] = (
    click.option(
        "--within",
        type=float,
        metavar="X",
        help="Ask until the interval reaches no further than this from its middle (a count: in rows, or below 1 as a "
        "share of the rows).",
    ),
    click.option("--calls", type=int, metavar="N", help="Ask so many rows, in place of --within."),
    click.option("--confidence", type=float, metavar="X", help="Of all intervals at once [default: 0.95]."),
    click.option("--by", metavar="COLUMN", help="An interval for every group of a column, too."),
)


def figure_command(name: str) -> click.Command:
    """Return the command of a figure."""
    about, example, width = _ABOUT[name]

    def callback(table: str, question: str, **values: Any) -> int:
        return estimate(name, {"table": table, "question": question, **values})

    arguments = (click.argument("table"), click.argument("question"))
    options = (*((_RANGE,) if name == "mean" else ()), *_GOAL, *RUN_OPTIONS, *MODEL_OPTIONS)
    text = f"Estimate {about}, with an interval that holds with the stated confidence; few rows are asked."
    shown = f"Example: rowsight {name} tickets.parquet '{example}' {width} --model NAME"
    return click.command(name, help=f"{text}\n\n{shown}")(with_options((*arguments, *options))(callback))


def estimate(name: str, values: dict[str, Any], *, resuming: str | None = None) -> int:
    """Run a figure's command with these values; ``resuming`` names the run to go on with."""
    goal = {key: values[key] for key in ("within", "calls", "confidence", "by")}
    if name == "mean":
        goal["range"] = number_range(values["range_text"])
    return put(name, values, lambda s: getattr(source(values, s), name)(values["question"], **goal), resuming=resuming)


COMMANDS = {name: figure_command(name) for name in FIGURES}
