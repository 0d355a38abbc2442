"""DocETL: a pipeline of one ``filter``, from a JSON file to a JSON file. Best settings: more threads, no cache,
a row that fails is skipped, that is, it is taken out as if the answer were no.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from job import Answers, Job, main


def load(job: Job) -> Callable[[], Answers]:
    from docetl.runner import DSLRunner

    source, target = Path(job.scratch, "rows.json"), Path(job.scratch, "kept.json")
    source.write_text(json.dumps(job.rows))
    prompt = job.question.replace("{body}", "{{ input.body }}")
    operation: dict[str, Any] = {
        "name": "ask",
        "type": "filter",
        "prompt": prompt,
        "output": {"schema": {"answer": "bool"}},
        "model": "openai/sim",
    }
    if job.best:
        operation |= {"bypass_cache": True, "skip_on_error": True}
    pipeline = {
        "datasets": {"rows": {"type": "file", "path": str(source)}},
        "default_model": "openai/sim",
        "default_lm_api_base": job.url,
        "operations": [operation],
        "pipeline": {
            "steps": [{"name": "step", "input": "rows", "operations": ["ask"]}],
            "output": {"type": "file", "path": str(target)},
        },
    }
    given = {"max_threads": job.in_flight} if job.best else {}

    def ask() -> Answers:
        DSLRunner(pipeline, **given).load_run_save()
        kept = {row["id"] for row in json.loads(target.read_text())}
        return {row["id"]: row["id"] in kept for row in job.rows}

    return ask


if __name__ == "__main__":
    main(load)
