"""A small table of tickets whose truths follow from their number."""

import json

import pyarrow as pa

WORDS = ["parcel", "refund", "broken", "thanks", "invoice"]


def tickets(rows: int = 60) -> pa.Table:
    """Return messages whose truths follow from their number; every tenth repeats an earlier text, two are empty."""
    texts = [f"message {i} about the {WORDS[i % 5]} of order {1000 + i}" for i in range(rows)]
    for i in range(10, rows, 10):
        texts[i] = texts[i - 10]
    truth = {text: i for i, text in reversed(list(enumerate(texts)))}
    number = [truth[t] for t in texts]
    texts[3], texts[4] = None, ""
    return pa.table(
        {
            "id": list(range(rows)),
            "text": pa.array(texts, pa.string()),
            "region": ["north" if i % 2 else "south" for i in range(rows)],
            "late": [n % 3 == 0 for n in number],
            "topic": [WORDS[n % 5] for n in number],
            "anger": [float(n % 11) for n in number],
            "order": [json.dumps({"number": 1000 + n, "word": WORDS[n % 5]}) for n in number],
            "reply": [f"reply {n}" for n in number],
        }
    )
