"""Running a plan: stages and streams, cascades, the report and the result."""
