"""What calls may cost, what they have cost, and the account that keeps the two apart.

All amounts are integers: a cap that is kept in floats is a cap that is exceeded by a rounding error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Literal

from rowsight.core.errors import InputError

Unit = Literal["calls", "tokens", "microusd"]

_FORMS = "write a cap such as 500calls, 2Mtokens or 3.50usd"
_PATTERN = re.compile(r"(?P<dollar>\$?)\s*(?P<number>[\d_,.]+)\s*(?P<scale>[kKmM]?)\s*(?P<unit>[A-Za-z]*)")
_UNITS: dict[str, Unit] = {
    "call": "calls",
    "calls": "calls",
    "token": "tokens",
    "tokens": "tokens",
    "usd": "microusd",
}
_SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
_LARGEST = 2**62
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Amounts:
    """Requests sent, tokens (prompt and completion) and millionths of a US dollar; integers, never negative in sum.

    ``microusd`` is 0 where no price is known: whoever reports money then reports that it is unknown.
    """

    calls: int = 0
    tokens: int = 0
    microusd: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.calls + other.calls, self.tokens + other.tokens, self.microusd + other.microusd)

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.calls - other.calls, self.tokens - other.tokens, self.microusd - other.microusd)


def microusd(dollars: float | Decimal) -> int:
    """Return dollars as millionths, rounded up: what is charged against a cap never falls below what was paid."""
    return int((Decimal(str(dollars)) * _MICRO).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap of one run: at most ``limit`` of ``unit`` (``microusd`` are millionths of a US dollar)."""

    unit: Unit
    limit: int

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``500calls``, ``2Mtokens``, ``3.50usd``, ``$3.50``; anything else is an ``InputError``."""
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise InputError(f"budget {text!r} is not understood; {_FORMS}")
        unit = _unit(text, match["dollar"], match["unit"].lower())
        amount = _number(text, match["number"]) * _SCALES[match["scale"].lower()]
        limit = int((amount * _MICRO).to_integral_value(ROUND_FLOOR)) if unit == "microusd" else _whole(text, amount)
        if limit > _LARGEST:
            raise InputError(f"budget {text!r} is too large to mean anything; leave the budget out for no cap")
        return cls(unit, limit)

    def part(self, amounts: Amounts) -> int:
        """Return the part of ``amounts`` that this cap counts."""
        part: int = getattr(amounts, self.unit)
        return part

    def __str__(self) -> str:
        if self.unit == "microusd":
            return (
                f"${Decimal(self.limit) / _MICRO:,.2f}" if self.limit % 10_000 == 0 else f"${self.limit / _MICRO:,.6f}"
            )
        return f"{self.limit:,} {self.unit}"


def _unit(text: str, dollar: str, word: str) -> Unit:
    if dollar and word in ("", "usd"):
        return "microusd"
    if dollar or word not in _UNITS:
        raise InputError(f"budget {text!r} names no unit of calls, tokens or usd; {_FORMS}")
    return _UNITS[word]


def _number(text: str, digits: str) -> Decimal:
    grouped = re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits)
    try:
        return Decimal(digits.replace(",", "") if grouped else digits)
    except InvalidOperation:
        raise InputError(f"budget {text!r} holds no number; {_FORMS}") from None


def _whole(text: str, amount: Decimal) -> int:
    if amount != amount.to_integral_value():
        raise InputError(f"budget {text!r} is a fraction of a call or token; give a whole number")
    return int(amount)


@dataclass(slots=True)
class Account:
    """What a run may spend (``budget``, none is no cap), has spent, and has reserved for calls in flight.

    The cap holds at every instant: ``spent + reserved`` passes the budget only if a call costs more than the worst
    case that was reserved for it.
    """

    budget: Budget | None = None
    spent: Amounts = field(default_factory=Amounts)
    reserved: Amounts = field(default_factory=Amounts)

    @property
    def left(self) -> int | None:
        """What can still be reserved, in the budget's unit; ``None`` without a budget."""
        if self.budget is None:
            return None
        return max(0, self.budget.limit - self.budget.part(self.spent) - self.budget.part(self.reserved))

    def fits(self, more: Amounts) -> bool:
        """Whether ``more`` can be reserved without passing the cap in any case."""
        budget = self.budget
        if budget is None:
            return True
        return budget.part(self.spent) + budget.part(self.reserved) + budget.part(more) <= budget.limit

    def reserve(self, more: Amounts) -> None:
        """Set ``more`` aside for a request about to leave."""
        self.reserved += more

    def settle(self, reserved: Amounts, spent: Amounts) -> None:
        """Replace a reservation by what was spent."""
        self.reserved -= reserved
        self.spent += spent

    def copy(self) -> Account:
        """Return the account as it stands now."""
        return Account(self.budget, self.spent, self.reserved)
