"""Files that appear whole or not at all: written beside their place, brought to disk, then moved there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rowsight.core.errors import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a full disk, and of a user's part of it."""


class Draft:
    """What is to stand at ``path``: ``file`` is written, then put in its place by ``commit`` or thrown away by ``discard``.

    A link stays one: the file that it names is replaced. A pipe or a device can't be and is written as it is. ``private``
    files are for the user alone, others as the file that they replace, or as the user's mask has it. Where the system
    refuses, an ``OSError``.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self._place, self._private = path.resolve(), private
        self._moved = path.is_file() or not path.exists()
        self.file: IO[bytes] = _beside(self._place) if self._moved else path.open("wb")

    def commit(self) -> None:
        """Put the file in its place, in one step for whoever reads it."""
        self.file.flush()
        if self._moved:
            os.fsync(self.file.fileno())
        self.file.close()
        if self._moved:
            if not self._private:
                Path(self.file.name).chmod(_mode(self._place))
            os.replace(self.file.name, self._place)  # noqa: PTH105 - a name, not a Path

    def discard(self) -> None:
        """Leave the place as it was."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._moved:
            Path(self.file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Yield the file that is to stand at ``path`` once the block has ended well; ``OutputError`` where that can't be."""
    try:
        draft = Draft(path, private=private)
        try:
            yield draft.file
            draft.commit()
        except BaseException:
            draft.discard()
            raise
    except OSError as error:
        raise OutputError(f"{path} can't be written: {_refusal(error)}") from error


def _refusal(error: OSError) -> str:
    if error.errno in FULL:
        return "the disk is full; free some space there, or choose another place"
    return f"{error.strerror or error}; choose another place"


def _beside(place: Path) -> IO[bytes]:
    return tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name[:100]}.", suffix=".part", delete=False)


def _mode(place: Path) -> int:
    """Return the mode of the file that is replaced, or that of a new one."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(place.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
