"""Themes: what the rows of a table speak of, found, named, measured and compared."""
