"""Fixtures that every suite may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_table():
    """Return the path of a labelled table beside the checkout, or skip where there is none."""

    def path(name: str) -> Path:
        found = SHARED / f"{name}.parquet"
        if not found.is_file():
            pytest.skip(f"needs the labelled table {name}.parquet beside the checkout")
        return found

    return path
