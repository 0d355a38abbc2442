"""Content hashes of values: two things are the same thing when their digests are equal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of ``value``'s canonical JSON; dataclasses count by class name and fields."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"no content hash for {type(value).__name__}")
