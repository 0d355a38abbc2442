"""What a run left on disk: how many files, how many hold the key, how many others than the owner can read."""

from __future__ import annotations

import stat
from pathlib import Path


def files_of(folder: Path, secret: str) -> dict[str, int]:
    """Count the files under a folder. A file can be read by others where it and every folder above it, below ``folder``, let them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    with_key = sum(secret.encode() in path.read_bytes() for path in files)
    return {"files": len(files), "with_key": with_key, "readable": sum(_open_to_others(path, folder) for path in files)}


def _open_to_others(path: Path, folder: Path) -> bool:
    others = stat.S_IRGRP | stat.S_IROTH
    inside = [parent for parent in path.parents if parent == folder or folder in parent.parents]
    return all(place.stat().st_mode & others for place in (path, *inside))
