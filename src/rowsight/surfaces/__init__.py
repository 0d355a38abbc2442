"""What users touch: Python tables and the command line."""
