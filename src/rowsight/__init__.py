"""Ask a large model about every row of a table, and know how right the answer is."""
