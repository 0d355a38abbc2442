"""Certify a filter over 3,000 generated messages: ask part of the rows, prove how right the rest is.

Run it as it is: ``python examples/guarantee.py``. The model is simulated in this process, and wrong here and there.
"""

from __future__ import annotations

import rowsight
from rowsight import worlds
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

ROWS = 3000


def main() -> None:
    """Run the filter with a guarantee and compare it with the model's own answers."""
    asked = worlds.questions("support").filter
    table = worlds.generate("support", rows=ROWS)
    rows = table.to_batches()
    with SimulatedServer(SimulationConfig(text="text", truths=(Truth(asked.model),)), rows) as server:
        kept = rowsight.read(table).filter(asked.prompt, precision=0.9, recall=0.9)
        result = kept.run(model="sim", base_url=server.base_url, ledger=False)
    print(result)
    if result.certificate is not None:
        print(result.certificate.statement)
    yes = sum(bool(answer) for answer in table.column(asked.model).to_pylist())
    right = sum(bool(answer) for answer in result.to_arrow().column(asked.model).to_pylist())
    print(f"kept {len(result):,} rows, {right:,} of them are among the {yes:,} that the model says yes to")


if __name__ == "__main__":
    main()
