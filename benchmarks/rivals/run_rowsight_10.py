"""Rowsight with up to ten rows in a request."""

from __future__ import annotations

from functools import partial

from job import main
from run_rowsight import load

if __name__ == "__main__":
    main(partial(load, rows_per_call=10))
