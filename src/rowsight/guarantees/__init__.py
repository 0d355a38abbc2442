"""Sequential tests, certificates, and what holds when certified answers are combined. Pure maths, no I/O."""
