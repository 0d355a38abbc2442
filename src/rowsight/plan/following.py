"""Which questions can be followed as their table grows."""

from __future__ import annotations

import re

from rowsight.core.errors import InputError
from rowsight.plan.nodes import Ask, Node, walk

_NAME = re.compile(r"[\w-][\w.-]{0,63}")


def check_followed(plan: Node, *, ledger: bool, cascade: bool) -> None:
    """Raise ``InputError`` where a plan asks to follow what can't be followed; nothing was paid.

    ``ledger``: whether the run keeps a durable ledger, without which there is nothing to go on from. ``cascade``: whether a
    middle model answers, too, whose answers no later version would know.
    """
    asks = [node for node in walk(plan) if isinstance(node, Ask)]
    for ask in asks:
        if ask.follow is not None:
            _check(ask, asks, ledger=ledger)
            if cascade:
                raise InputError(f"follow={ask.follow!r} knows no model between proxy and oracle; leave cascade out")


def _check(ask: Ask, asks: list[Ask], *, ledger: bool) -> None:
    words = f"follow={ask.follow!r}"
    check_name(ask.follow or "")
    if ask.guarantee is None:
        raise InputError(
            f"{words} extends a certificate as the table grows, and no level is demanded: without one the ledger alone "
            "pays for new rows only; leave follow out, or demand a level such as 0.9"
        )
    if ask.guarantee.best:
        raise InputError(f"{words} needs levels that every version is held to, not the best; give one such as 0.9")
    if ask.guarantee.by is not None:
        raise InputError(f"{words} certifies all rows together, not the groups of by={ask.guarantee.by}; leave by out")
    if any(other is not ask and other.guarantee is not None for other in asks):
        raise InputError(
            f"{words} must be the only question with a guarantee in its plan; save the result of one and read it for the other"
        )
    if not ledger:
        raise InputError(f"{words} goes on from what earlier runs kept; it needs the ledger")


def check_name(name: str) -> None:
    """Raise ``InputError`` where a name can't be that of a followed question."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"follow={name!r} is no name: use letters, digits, '-', '_' and '.', at most 64, such as 'late-parcels'"
        )
