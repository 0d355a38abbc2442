"""The documentation's commands work and print what the pages say they print."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from blocks import Block, blocks, fits, headings

import rowsight
from rowsight.execution.options import RunOptions
from rowsight.operators import OPERATORS
from rowsight.surfaces.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SECONDS = 120


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    bin_directory = str(Path(sys.executable).parent)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ROWSIGHT_"))}
    return {**kept, "PATH": f"{bin_directory}{os.pathsep}{kept['PATH']}", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}


def served() -> Block:
    """Return the command that the README starts the simulated model with."""
    return next(b for b in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if b.mark == "serve")


@pytest.fixture(scope="session")
def base_url(environment):
    """Start the README's simulated model on a free port, and return where it listens."""
    command = served().text.rstrip().removesuffix("&").replace("--port 8765", "--port 0")
    shell = ["bash", "-c", f"exec {command}"]
    with subprocess.Popen(shell, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().split()[-1]
        server.terminate()


@pytest.fixture
def home(tmp_path, environment, base_url):
    """Return a function that runs a block in a directory with the examples, as a reader would."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    state = {"OPENAI_BASE_URL": base_url, "ROWSIGHT_STATE": str(tmp_path / "state")}

    def run(block: Block) -> str:
        command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[block.language]
        done = subprocess.run(
            [*command, block.text],
            cwd=tmp_path,
            env=environment | state,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def runnable() -> list[Path]:
    return [page for page in PAGES if any(b.mark == "run" for b in blocks(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", runnable(), ids=lambda p: p.name)
def test_the_blocks_of_a_page_run_and_print_what_it_says(page, home):
    printed = ""
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.mark == "run":
            printed = home(block)
        elif block.mark == "output":
            assert fits(block.text, printed), f"the page says:\n{block.text}\nit prints:\n{printed}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_the_examples_run(example, environment, tmp_path):
    done = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env=environment | {"ROWSIGHT_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_two_readmes_are_equal():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert blocks(english) == blocks(chinese)
    assert headings(english) == headings(chinese)


def test_the_two_commands_are_there():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    (named,) = (b for b in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if b.mark == "commands")
    assert named.text == "make demo\nmake test\n"
    for command in named.text.split("make ")[1:]:
        assert f"\n{command.strip()}: " in targets


def test_the_page_of_the_command_line_is_up_to_date():
    generated = runpy.run_path(str(ROOT / "docs" / "generate_cli.py"))["page"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == generated, "run python docs/generate_cli.py"


def commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        deeper = commands(command, f"{path}{name} ") if isinstance(command, click.Group) else []
        found += deeper or [(f"{path}{name}", command)]
    return found


def test_every_option_stands_on_the_page_of_the_command_line():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in commands(cli):
        assert f"## rowsight {name}\n" in page
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert f"`{option}" in page, f"rowsight {name} {option}"


def test_every_operator_stands_on_its_page():
    page = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    for declaration in OPERATORS:
        assert f"## {declaration.name}\n" in page
        assert declaration.summary in page
        for word in (*(p.name for p in declaration.parameters), *declaration.metrics):
            assert f"`{word}`" in page or f"`{word}=" in page, f"{declaration.name} {word}"


def test_every_public_name_and_option_stands_on_the_page_of_python():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    verbs = [name for name in vars(rowsight.Table) if not name.startswith("_") and name not in ("plan", "columns")]
    options = [field.name for field in fields(RunOptions)]
    for name in (*rowsight.__all__, *verbs, *options):
        assert re.search(rf"\b{name}\b", page), name


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in navigation, f"name {page.name} in mkdocs.yml"


def test_output_is_compared_line_by_line():
    assert fits("a\n...\nb ... c\n", "a\nx\ny\nb 12 c\n")
    assert fits("a\n...\nb\n", "a\nb\n")
    assert not fits("a\nb\n", "a\n")
    assert not fits("a ... b\n", "a\nb\n")
