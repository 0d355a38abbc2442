"""The one road that every call takes: ledger, budget, limits, endpoint, validation."""
