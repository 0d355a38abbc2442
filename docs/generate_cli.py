"""Write ``docs/cli.md``: the page of the command line, made of the commands themselves.

Run ``python docs/generate_cli.py`` after a command or an option changed; a test says when it is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from rowsight.operators import OPERATORS
from rowsight.surfaces.cli import cli

HEAD = """\
# Command line

`rowsight COMMAND --help` says what stands here. Made from the commands by `docs/generate_cli.py`.

```text
rowsight filter TABLE QUESTION --model NAME [--out FILE]
```

`TABLE` is a CSV, TSV, JSON Lines or Parquet file, or a quoted pattern of them. A `QUESTION` names columns in braces, as
in `'Is {body} spam?'`; `{{` and `}}` are braces, and a name that holds braces stands in quotes: `'{"cost {eur}"}'`. The
ending of `--out` says the format (`.csv`, `.tsv`, `.jsonl`, `.parquet`, `.arrow`); the file appears whole or not at all,
its rows in the order of the input. [Formats](python.md#read-the-result) has what becomes of bytes, lists and NaN.

Progress goes to stderr, and only to a terminal. Nothing asks for confirmation when stdin isn't one.

| Exit code | Meaning |
|---|---|
| 0 | done; rows may have failed, and the report says so |
| 2 | bad input: one line on stderr says what and how to mend it, nothing on stdout; with `--on-failure raise` also rows that \
failed, every file written |
| 3 | the budget is spent; what was answered is kept |
| 130 | stopped with Ctrl-C; what was answered is kept; a certified run writes what it has proved by then |

`--json` prints one object:

| Key | Meaning |
|---|---|
| `rows` | rows that came in; `asked`, `proxied`, `null`, `failed` and `skipped` add up to it |
| `asked` | rows answered by the model; repeated rows count, though they are asked once |
| `proxied` | rows answered by the light model under a guarantee |
| `null` | rows with a NULL or empty input: no call, no answer |
| `failed` | rows without an answer; `failures` counts them by reason |
| `skipped` | rows not asked because the budget was spent |
| `kept` | rows that a filter kept |
| `calls` | requests sent, retries and repairs included |
| `from_ledger` | rows whose answer an earlier run had paid |
| `prompt_tokens`, `completion_tokens`, `cached_tokens` | as the server counted them |
| `cost` | US dollars; `null` when a price is unknown |
| `seconds` | wall time |
| `certificates` | what the run can prove |
| `curves` | for each certified question, what was spent against what could be promised ([the curve](anytime.md)) |
| `output` | the file written, or `null` |
| `run` | the run's name, for `rowsight show` and `rowsight resume` |

With `--dry-run` the object is `{"estimate": {...}}`.
"""


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield (full name, command) of every command under ``group``, in order."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def options(command: click.Command) -> list[click.Option]:
    """Return a command's options."""
    return [p for p in command.params if isinstance(p, click.Option)]


def table(shown: list[click.Option]) -> str:
    """Return options as a Markdown table."""
    rows = [f"| {_names(option)} | {_meaning(option)} |" for option in shown]
    return "\n".join(["| Option | Meaning |", "|---|---|", *rows])


def _names(option: click.Option) -> str:
    value = "" if option.is_flag or option.count else f" {option.make_metavar(click.Context(click.Command('')))}"
    return ", ".join(f"`{name}{value}`".replace("|", "\\|") for name in (*option.opts, *option.secondary_opts))


def _meaning(option: click.Option) -> str:
    said = (option.help or "").replace("|", "\\|")
    notes = ["required"] if option.required else []
    if option.show_default and option.default is not None:
        notes.append(f"default: `{option.default}`")
    return f"{said} ({', '.join(notes)})".strip() if notes else said


def section(name: str, command: click.Command, shared: set[str]) -> str:
    """Return the section of one command; options whose names are ``shared`` stand elsewhere."""
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command))])
    own = [option for option in options(command) if option.opts[0] not in shared]
    summary, _, example = (command.help or "").partition("\n\n")
    parts = [f"## {name}", summary, f"```text\n{usage}\n```"]
    if example.startswith("Example: "):
        parts.append(f"```sh\n{example.removeprefix('Example: ')}\n```")
    if shared:
        parts.append("The [options of every question](#options-of-every-question)" + (", and:" if own else "."))
    if own:
        parts.append(table(own))
    return "\n\n".join(parts)


def page() -> str:
    """Return the whole page."""
    found = list(commands(cli, "rowsight"))
    asks = {f"rowsight {declaration.name}" for declaration in OPERATORS}
    named = [{o.opts[0] for o in options(command)} for name, command in found if name in asks]
    shared = set.intersection(*named)
    first = next(command for name, command in found if name in asks)
    common = "\n\n".join(
        ["## Options of every question", table([o for o in options(first) if o.opts[0] in shared])],
    )
    sections = [section(name, command, shared if name in asks else set()) for name, command in found]
    questions = [s for s, (name, _) in zip(sections, found, strict=True) if name in asks]
    others = [s for s, (name, _) in zip(sections, found, strict=True) if name not in asks]
    return "\n\n".join([HEAD.rstrip(), *questions, common, *others]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(page(), encoding="utf-8")
