"""Filter, classify and read fields out of a small table of tickets; the model is simulated, in this process.

Run it as it is: ``python examples/triage.py``. With a real model, leave the server out and name the model instead.
"""

from __future__ import annotations

import csv
from pathlib import Path

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

HERE = Path(__file__).parent


def simulated_model() -> SimulatedServer:
    """Return a server that answers from the table of truths, by what the question asks."""
    with (HERE / "tickets_truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {
        "body": [row["body"] for row in rows],
        "late": [row["late"] == "True" for row in rows],
        "topic": [row["topic"] for row in rows],
        "named": [
            {
                "order_number": row["order_number"] or None,
                "amount": float(row["amount"]) if row["amount"] else None,
            }
            for row in rows
        ],
    }
    truths = (Truth("late", "complaint"), Truth("topic", "What is"), Truth("named", "order number"))
    return SimulatedServer(SimulationConfig(text="body", truths=truths), columns)


def main() -> None:
    """Ask three questions of the tickets and print the answers."""
    tickets = (
        rowsight.read(HERE / "tickets.csv")
        .classify("What is {body} about?", ["delivery", "billing", "damage", "praise", "question"], into="topic")
        .extract(
            "Which order number and amount does {body} name?", {"order_number": str, "amount": float}, into="named"
        )
    )
    late = rowsight.read(HERE / "tickets.csv").filter("Is {body} a complaint about delivery?")
    with simulated_model() as server:
        all_rows = tickets.run(model="sim", base_url=server.base_url)
        late_rows = late.run(model="sim", base_url=server.base_url)
    for row in all_rows.to_arrow().to_pylist():
        print(row["id"], row["topic_status"], row["topic"], row["named"])
    print("late:", late_rows.to_arrow().column("id").to_pylist())
    print(all_rows)


if __name__ == "__main__":
    main()
