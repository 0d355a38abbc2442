"""Certified runs that may stop at any moment: what they have promised by now, and what their money is enough for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsight.core.events import CurvePoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowsight.calls.gateway import Gateway
    from rowsight.calls.request import Request
    from rowsight.core.events import Listener


class Curve:
    """Collects the points of a run's curve, tells whoever listens, and stops the run where ``stop_when`` says so."""

    def __init__(
        self, gateway: Gateway, listener: Listener, stop_when: Callable[[CurvePoint], bool] | None = None
    ) -> None:
        self.points: list[CurvePoint] = []
        self.figure: str | None = None
        """What an estimate is of."""
        self._gateway, self._listener, self._stop_when = gateway, listener, stop_when

    def add(self, values: dict[str, Any]) -> None:
        """Take what a cascade could promise now."""
        point = self._point(values["asked"], values["stage"], values["promise"])
        if self._stop_when is not None and self._stop_when(point):
            self._gateway.stop()

    def end(self, asked: int, promise: dict[str, float]) -> None:
        """Take what the certificate says was reached."""
        self._point(asked, "done", promise)

    def _point(self, asked: int, stage: str, promise: dict[str, float]) -> CurvePoint:
        tally = self._gateway.total
        point = CurvePoint(asked, tally.calls, tally.cost, stage, promise, self.figure)
        self.points.append(point)
        self._listener(point)
        return point


class Affordable:
    """How many rows a run's money is enough for, as its cascade was told when it froze: a run that goes on hears the same.

    Before anything is frozen a new budget may change the plan; afterwards it buys further draws of what was frozen.
    """

    def __init__(self, gateway: Gateway, subject: bytes, name: str, count: int) -> None:
        self._gateway, self._subject, self._name, self._count = gateway, subject, name, count
        self._told: list[int] = []
        self._kept: list[int] | None = None

    async def rows(self, example: Request) -> int:
        """Return about how many rows can be asked; all of them without a budget."""
        if self._kept is None:
            found = await self._gateway.kept(self._subject, self._name)
            self._kept = [] if found is None else found["rows"]
        place = len(self._told)
        if place < len(self._kept):
            self._told.append(self._kept[place])
        else:
            found_now = await self._gateway.affordable(example)
            self._told.append(self._count if found_now is None else found_now)
        return self._told[-1]

    async def freeze(self) -> None:
        """Keep what was told, durably, before the first draw."""
        if self._told and not self._kept:
            await self._gateway.keep(self._name, {"rows": self._told})
