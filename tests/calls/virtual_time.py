"""An event loop whose clock jumps to the next timer: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now += timeout
        if not ready and timeout is None:
            raise RuntimeError("everything waits and nothing will ever happen")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now


def run_virtually(make: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a virtual clock; ``asyncio.get_running_loop().time`` is that clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(make)
