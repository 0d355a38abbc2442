"""Proxies: light models trained during the run on the oracle's answers. Pure maths, no I/O."""
