"""Rowsight without its ledger: answers live as long as the run."""

from __future__ import annotations

from functools import partial

from job import main
from run_rowsight import load

if __name__ == "__main__":
    main(partial(load, ledger=False))
