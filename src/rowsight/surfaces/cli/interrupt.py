"""Ctrl-C of a certified run: the first ends it with the certificate reached so far, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rowsight.session import Session


@contextmanager
def interruptible(session: Session, *, certified: bool) -> Iterator[threading.Event]:
    """Let Ctrl-C stop the session's run gently while the block lasts; the event yielded says whether it did."""
    interrupted = threading.Event()
    in_background = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a shell's job there isn't meant by Ctrl-C
    if not certified or in_background or threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def stop(*_: object) -> None:
        interrupted.set()
        session.stopping.set()
        signal.signal(signal.SIGINT, before)
        click.echo("\nrowsight: stopping with what is proved by now; Ctrl-C again stops at once", err=True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
