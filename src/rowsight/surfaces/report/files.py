"""Where a report goes: the ending of its file says its form."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import orjson

from rowsight.core.errors import OutputError
from rowsight.engines.arrow import jsonable

_ENDINGS = (".json",)


class Reported(Protocol):
    """What a report is made of."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""


def check_report(path: Path) -> None:
    """Raise ``OutputError`` where a report can't be written, before anything is paid."""
    if path.suffix.lower() not in _ENDINGS:
        raise OutputError(f"--out {path}: the ending says no form of a report; use one of {', '.join(_ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"--out {path} can't be written: the folder {path.parent} doesn't exist; make it first")


def write_report(reported: Reported, path: Path) -> None:
    """Write a report; it appears whole or not at all."""
    content = orjson.dumps(reported.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=jsonable)
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as part:
            part.write(content)
        Path(part.name).chmod(0o644)
        os.replace(part.name, path)  # noqa: PTH105 - in one step for whoever reads it
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror or error}; choose another place") from error
