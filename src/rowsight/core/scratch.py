"""A directory for what a run keeps on disk while its result is in use."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: directories of killed processes stay
    fcntl = None  # type: ignore[assignment]  # asked for before use

_PREFIX = "rowsight-run-"
_LOCK = "owner.lock"
_UNSURE_SECONDS = 3600.0
"""Age from which a directory without a lock is taken for one whose owner died before locking it."""


class Scratch:
    """A directory that only the user can read (0700); it goes when this object does, at the latest with the process.

    ``name`` is its path. Unlike ``tempfile.TemporaryDirectory`` it takes leaving it to the garbage collector, which a
    result does, for the usual end and warns of nothing. A killed process can't remove its own; the next one does: a file
    in the directory is locked as long as its owner lives, and the system drops the lock however the owner ends.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.name = tempfile.mkdtemp(prefix=_PREFIX)
        self._end = weakref.finalize(self, _remove, self.name, _locked(Path(self.name)))

    def close(self) -> None:
        """Remove the directory now."""
        self._end()


def _locked(directory: Path) -> int | None:
    """Return the open file that says that the owner of ``directory`` lives; it appears with its lock already taken."""
    if fcntl is None:
        return None
    draft = directory / (_LOCK + ".new")
    handle = os.open(draft, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    draft.rename(directory / _LOCK)
    return handle


def _remove(name: str, handle: int | None) -> None:
    shutil.rmtree(name, ignore_errors=True)
    if handle is not None:
        os.close(handle)


def _sweep(parent: Path) -> None:
    """Remove the directories of this user's processes that are gone."""
    if fcntl is None:
        return
    for directory in _own(parent):
        with contextlib.suppress(OSError):  # another process was quicker, or it isn't ours to remove
            handle = _abandoned(directory)
            if handle is not None:
                _remove(str(directory), handle)


def _own(parent: Path) -> list[Path]:
    """Return the directories of runs of this user's."""
    user = os.getuid()
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        named = [e for e in entries if e.name.startswith(_PREFIX) and e.is_dir(follow_symlinks=False)]
        return [Path(e.path) for e in named if e.stat(follow_symlinks=False).st_uid == user]
    return []


def _abandoned(directory: Path) -> int | None:
    """Return the lock of a directory whose owner is gone, taken; ``None`` where the owner lives or may live."""
    try:
        handle = os.open(directory / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        if time.time() - directory.stat().st_mtime < _UNSURE_SECONDS:
            return None
        return os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
