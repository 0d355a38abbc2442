"""Deterministic embeddings: hashed character n-grams, so that similar texts have similar vectors."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowsight.calls.simulated.usage import tokens

DIMENSION = 256
_SIZES = (3, 5)
_FACTORS = np.random.default_rng(0xE3BED).integers(0, 2**64, (256, max(_SIZES)), dtype=np.uint64)


def embed(text: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Return a unit vector, shape (dimension,), of the signed hashed 3- and 5-grams of the lower-cased UTF-8 bytes."""
    data = np.frombuffer(f"  {text.lower()}  ".encode(), np.uint8)
    total = np.zeros(dimension)
    for size in _SIZES:
        count = len(data) - size + 1
        if count < 1:
            continue
        grams = np.zeros(count, np.uint64)
        for offset in range(size):
            grams += _FACTORS[data[offset : offset + count], offset]
        grams ^= grams >> np.uint64(29)
        signs = (grams >> np.uint64(63)).astype(np.float64) * 2 - 1
        total += np.bincount((grams % np.uint64(dimension)).view(np.int64), signs, dimension)
    norm = float(np.linalg.norm(total))
    return (total / norm if norm else total).astype(np.float32)


def embeddings(body: Any) -> dict[str, Any]:
    """Return the reply to POST /v1/embeddings; ``ValueError`` where the request isn't one."""
    given = body.get("input") if isinstance(body, dict) else None
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'input' must be a string or a list of strings")
    dimension = body.get("dimensions") or DIMENSION
    if not isinstance(dimension, int) or dimension < 1:
        raise ValueError("'dimensions' must be a whole number of at least 1")
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _encoded(embed(text, dimension), packed=packed)}
        for i, text in enumerate(texts)
    ]
    spent = sum(tokens(text) for text in texts)
    usage = {"prompt_tokens": spent, "total_tokens": spent}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def _encoded(vector: NDArray[np.float32], *, packed: bool) -> str | list[float]:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if packed else vector.tolist()
