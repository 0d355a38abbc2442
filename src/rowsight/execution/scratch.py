"""A directory for what a run keeps on disk while its result is in use."""

from __future__ import annotations

import shutil
import tempfile
import weakref


class Scratch:
    """A directory that only the user can read (0700); it goes when this object does, at the latest with the process.

    ``name`` is its path. Unlike ``tempfile.TemporaryDirectory`` it takes leaving it to the garbage collector, which a
    result does, for the usual end and warns of nothing.
    """

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="rowsight-run-")
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)
