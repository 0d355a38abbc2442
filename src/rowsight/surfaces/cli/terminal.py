"""What goes to a terminal: the words of tables, models and servers, without the characters that would steer it."""

from __future__ import annotations

import click

_STEERING = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def plain(text: str) -> str:
    """Return ``text`` with each control character but tabs and line ends replaced."""
    return text.translate(_STEERING)


def say(text: str, *, err: bool = False) -> None:
    """Print a line for people."""
    click.echo(plain(text), err=err)
