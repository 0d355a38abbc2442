"""Small tables that queries of the docs and the tests speak of."""

import pyarrow as pa


def tickets(rows=40):
    """Return support tickets; some bodies repeat, some are NULL."""
    bodies = [None if i % 9 == 0 else f"parcel {i % 25} was {'late' if i % 3 else 'lost'}" for i in range(rows)]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "body": pa.array(bodies, pa.string()),
            "topic": pa.array([("delivery", "money", None)[i % 3] for i in range(rows)], pa.string()),
            "region": pa.array([("north", "south")[i % 2] for i in range(rows)], pa.string()),
        }
    )


def notes(rows=12):
    """Return notes of agents on tickets."""
    return pa.table(
        {
            "ticket": pa.array([i * 2 for i in range(rows)], pa.int64()),
            "note": pa.array([f"note {i % 5}" for i in range(rows)], pa.string()),
        }
    )
