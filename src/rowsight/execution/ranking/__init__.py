"""Rankings: grades for few rows, the order of the first, what a sample says of the others."""
