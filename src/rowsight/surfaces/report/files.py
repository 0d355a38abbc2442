"""Where a report goes: the ending of its file says its form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from rowsight.core.errors import OutputError
from rowsight.core.replacing import replacing
from rowsight.engines.arrow import jsonable

if TYPE_CHECKING:
    from rowsight.execution.profile import Profile
    from rowsight.execution.understand.understood import Understanding

_ENDINGS = (".html", ".json")


def check_report(path: Path) -> None:
    """Raise ``OutputError`` where a report can't be written, before anything is paid."""
    if path.suffix.lower() not in _ENDINGS:
        raise OutputError(f"--out {path}: the ending says no form of a report; use one of {', '.join(_ENDINGS)}")
    if path.suffix.lower() == ".html":
        from rowsight.surfaces.report.charts import altair  # noqa: PLC0415 - only where charts are drawn

        altair()
    if not path.absolute().parent.is_dir():
        raise OutputError(f"--out {path} can't be written: the folder {path.parent} doesn't exist; make it first")


def write_report(reported: Profile | Understanding, path: Path, *, lang: str | None = None) -> None:
    """Write a report in ``lang`` (the texts' own, where it is ``None``); it appears whole or not at all."""
    content = _html(reported, lang) if path.suffix.lower() == ".html" else _json(reported)
    with replacing(path) as file:
        file.write(content)


def _html(reported: Profile | Understanding, lang: str | None) -> bytes:
    from rowsight.surfaces.report.document import document  # noqa: PLC0415 - altair loads on use

    return document(reported, lang).encode("utf-8", "replace")


def _json(reported: Profile | Understanding) -> bytes:
    return orjson.dumps(reported.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=jsonable)
