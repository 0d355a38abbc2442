"""Rules that make a plan cheaper without changing its answers."""

from rowsight.optimizer.pipeline import RULES, optimize
from rowsight.optimizer.stats import Stats

__all__ = ["RULES", "Stats", "optimize"]
