"""A model server that answers from a table's truth: for dry runs, tests and benchmarks."""

from rowsight.calls.simulated.config import Hook, SimulationConfig, Truth, load_hook
from rowsight.calls.simulated.rows import Rows
from rowsight.calls.simulated.server import SimulatedServer, serve

__all__ = ["Hook", "Rows", "SimulatedServer", "SimulationConfig", "Truth", "load_hook", "serve"]
