"""Queries with AI functions, read and planned: pure, it touches neither an engine nor a model."""
