"""curator: an ``LLM`` whose answers are a pydantic model. Best settings: more calls in flight, no cache, no limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from job import Answers, Job, main


def load(job: Job) -> Callable[[], Answers]:
    os.environ["CURATOR_CACHE_DIR"] = job.scratch
    if job.best:
        os.environ.update(CURATOR_DISABLE_RICH_DISPLAY="1")
    if job.best and not job.keep:
        os.environ.update(CURATOR_DISABLE_CACHE="1")
    from bespokelabs import curator
    from pydantic import BaseModel

    class Said(BaseModel):
        answer: bool

    class Asker(curator.LLM):  # type: ignore[misc]
        response_format = Said

        def prompt(self, row: dict[str, Any]) -> str:
            return job.question.replace("{body}", row["body"])

        def parse(self, row: dict[str, Any], response: Said) -> dict[str, Any]:
            return {"id": row["id"], "answer": response.answer}

    many = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10_000_000_000}
    given = {"max_concurrent_requests": job.in_flight, **many} if job.best else {}

    def ask() -> Answers:
        parameters = {"base_url": job.url, "api_key": "sk-none", **given}
        found = Asker(model_name="sim", backend="openai", backend_params=parameters)(job.rows)
        found = getattr(found, "dataset", found)
        return {row["id"]: row["answer"] for row in found}

    return ask


if __name__ == "__main__":
    main(load)
