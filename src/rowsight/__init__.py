"""Ask a large model about every row of a table, pay for a sliver of the calls, and know how right the answer is.

::

    import rowsight

    tickets = rowsight.read("tickets.parquet")
    late = tickets.filter("Is {body} a complaint about delivery?")
    result = late.run(model="gpt-5-mini")
    result.to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsight.core.errors import RowsightError
    from rowsight.execution.result import Result
    from rowsight.execution.themes.found import load_themes
    from rowsight.session import Session
    from rowsight.surfaces.sql import Connection, connect
    from rowsight.surfaces.table import Table, read

_HOMES = {
    "Connection": "rowsight.surfaces.sql",
    "Result": "rowsight.execution.result",
    "RowsightError": "rowsight.core.errors",
    "Session": "rowsight.session",
    "Table": "rowsight.surfaces.table",
    "connect": "rowsight.surfaces.sql",
    "load_themes": "rowsight.execution.themes.found",
    "read": "rowsight.surfaces.table",
}
__all__ = ["Connection", "Result", "RowsightError", "Session", "Table", "connect", "load_themes", "read"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import rowsight`` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rowsight' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - loads on use

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
