"""The errors that Rowsight raises.

::

    RowsightError
    ├── InputError          bad input: exit code 2, nothing was paid
    │   ├── SourceError     a table that is missing, unreadable or of an unknown kind
    │   ├── ColumnError     a column that the table doesn't have
    │   ├── TemplateError   a question whose placeholders don't close or don't fit
    │   ├── SchemaError     an answer type or JSON Schema that isn't one
    │   └── OutputError     an output that can't be written
    ├── EndpointError       the model server can't be used at all (401, 404, unreachable): exit code 2
    ├── LedgerError         the ledger can't be opened, written or trusted: exit code 2
    ├── UnansweredError     rows have no answer and ``on_failure="raise"`` was asked for
    │   ├── FailedRowsError     rows failed: exit code 2
    │   └── BudgetError         the budget is spent: exit code 3
    └── MissingExtraError   an optional dependency isn't installed

Every message names the thing, the nearest valid name where there is one, and the remedy.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class RowsightError(Exception):
    """Base of all errors that Rowsight raises on purpose.

    ``exit_code`` is what the command line ends with.
    """

    exit_code = 2


class InputError(RowsightError):
    """The user's input can't be used; nothing was paid."""


class SourceError(InputError):
    """A table is missing, unreadable, or of a kind that Rowsight doesn't read."""


class ColumnError(InputError):
    """A column is named that the table doesn't have, or that is there already."""


class TemplateError(InputError):
    """A question's placeholders are unclosed, empty or unknown."""


class SchemaError(InputError):
    """An answer type, label list or JSON Schema isn't valid."""


class OutputError(InputError):
    """The output file can't be written."""


class EndpointError(RowsightError):
    """No endpoint can serve the model: refused key, unknown model, unreachable server."""


class LedgerError(RowsightError):
    """The ledger can't be opened, written or trusted."""


class UnansweredError(RowsightError):
    """Rows have no answer and the caller asked for an exception; every answer is kept.

    ``result`` is what came of the run: the rows, those without an answer among them, and the report.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class FailedRowsError(UnansweredError):
    """Rows failed."""


class BudgetError(UnansweredError):
    """The budget is spent before the work is done."""

    exit_code = 3


class MissingExtraError(RowsightError):
    """An optional dependency isn't installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'rowsight[{extra}]'")


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint such as ``; did you mean 'body'?``, or the valid names, or nothing.

    Meant to be appended to a message about the unknown ``name``.
    """
    names = list(valid)
    matches = get_close_matches(name, names, n=1, cutoff=0.6) or get_close_matches(
        name.lower(), [n for n in names if n.lower() == name.lower()], n=1
    )
    if matches:
        return f"; did you mean {matches[0]!r}?"
    if names:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004
        return f"; there are: {shown}"
    return ""
