"""Summaries of many rows: the shape of the tree of calls, the calls, what comes out."""
