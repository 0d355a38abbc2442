"""A help desk's messages with known themes, and a simulated model that names groups by what most of their texts are."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

SAYINGS = {
    "delivery": (
        "my parcel {n} has not arrived and the courier never came",
        "the courier lost parcel {n}, where is my delivery",
        "still waiting for the courier to bring parcel {n}",
    ),
    "billing": (
        "invoice {n} charges me twice, please refund the payment",
        "the payment on invoice {n} was taken twice from my card",
        "please correct invoice {n} and refund my card",
    ),
    "login": (
        "the app rejects my password since update {n}",
        "password reset mail number {n} never logs me in to the app",
        "I cannot log in to the app, password error {n}",
    ),
    "退货": ("这件衣服尺码不对，我想退货，单号{n}", "收到的鞋子有破损，申请退货退款{n}", "退货地址在哪里，单号是{n}"),
}
WEIGHTS = (0.4, 0.3, 0.2, 0.1)


def desk(rows=600, seed=0, weights=WEIGHTS):
    """Return a table: id, body, topic, region, day. Region and day lean towards themes; one row in fifty is NULL."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(SAYINGS), rows, p=weights)
    bodies = [SAYINGS[t][rng.integers(3)].format(n=rng.integers(90)) for t in topics]
    return pa.table(
        {
            "id": list(range(rows)),
            "body": [None if i % 50 == 49 else b for i, b in enumerate(bodies)],
            "topic": list(map(str, topics)),
            "region": ["north" if t == "delivery" else "south" for t in topics],
            "day": [date(2026, 1, 1) + timedelta(days=int(59 * i / rows)) for i in range(rows)],
        }
    )


def namer(table):
    """Return a hook of the simulated model: a group's name is the topic that most of its texts have."""
    topic = dict(zip(table["body"].to_pylist(), table["topic"].to_pylist(), strict=True))

    def hook(messages, schema):
        properties = (schema or {}).get("properties", {})
        if "groups" in properties:
            return {"groups": []}
        if "name" not in properties:
            return None
        members = messages[-1]["content"].split("<<<members\n")[1].split("\nmembers>>>")[0].split("\n\n")
        [(name, _)] = Counter(topic[m] for m in members if m in topic).most_common(1)
        return {"name": name, "description": f"what is about {name}"}

    return hook
