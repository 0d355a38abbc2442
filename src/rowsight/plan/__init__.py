"""What is to be done: questions, answer types and the DAG of nodes. No I/O."""
