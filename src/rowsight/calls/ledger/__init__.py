"""The durable record of calls: what was asked, answered, reserved and spent."""

from rowsight.calls.ledger.base import (
    Answered,
    Attempt,
    Claim,
    Granted,
    Held,
    Ledger,
    OverBudget,
    Recorded,
    RunId,
    RunRecord,
    RunStatus,
)
from rowsight.calls.ledger.memory import MemoryLedger
from rowsight.calls.ledger.sqlite import SqliteLedger

__all__ = [
    "Answered",
    "Attempt",
    "Claim",
    "Granted",
    "Held",
    "Ledger",
    "MemoryLedger",
    "OverBudget",
    "Recorded",
    "RunId",
    "RunRecord",
    "RunStatus",
    "SqliteLedger",
]
