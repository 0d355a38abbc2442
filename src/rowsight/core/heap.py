"""Keeping the garbage collector's full passes short while a run has many calls in flight."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled_heap() -> Iterator[None]:
    """Leave the objects that are there now out of the collector's passes until the block ends.

    A full pass over the modules of the engine and of the proxies takes a tenth of a second, in which no call leaves and no
    answer is read. Nothing is done where the process has frozen objects of its own, which must stay so.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
