"""ThalamusDB: ``NLfilter`` in SQL over a DuckDB file. Best settings: as many calls at once as the server bears (20 is the default).

Its limit of 1,000 calls a query is lifted in both. The key is in the environment, not in its file of models.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from job import Answers, Job, main


def load(job: Job) -> Callable[[], Answers]:
    import duckdb
    from tdb.data.relational import Database
    from tdb.execution.constraints import Constraints
    from tdb.execution.engine import ExecutionEngine
    from tdb.queries.query import Query

    home = Path(job.scratch)
    with duckdb.connect(str(home / "rows.duckdb")) as made:
        made.execute("CREATE TABLE messages (id BIGINT, body TEXT)")
        made.executemany("INSERT INTO messages VALUES (?, ?)", [[row["id"], row["body"]] for row in job.rows])
    model = {"model": "openai/sim", "api_base": job.url, "temperature": 0, "max_tokens": 1}
    models = [{"modalities": ["text"], "priority": 10, "kwargs": {"filter": model, "join": model}}]
    (home / "models.json").write_text(json.dumps({"models": models}))

    def ask() -> Answers:
        database = Database(str(home / "rows.duckdb"))
        engine = ExecutionEngine(database, job.in_flight if job.best else 20, str(home / "models.json"))
        condition = job.bare_question.replace("'", "''")
        query = Query(database, f"SELECT id FROM messages WHERE NLfilter(messages.body, '{condition}')")
        many = Constraints(max_seconds=100_000, max_calls=10**9, max_tokens=10**12)
        found, _ = engine.run(query, many)
        kept = set(found["id"].tolist())
        return {row["id"]: row["id"] in kept for row in job.rows}

    return ask


if __name__ == "__main__":
    main(load)
