"""Palimpzest: ``sem_filter`` on a data set in memory. Its models are a closed list: one of them is named, the server answers to it.

Best settings: as many workers as the server bears (64 is the default), no optimizing beyond the plain filter.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from job import Answers, Job, main


def load(job: Job) -> Callable[[], Answers]:
    os.environ["OPENAI_API_BASE"] = os.environ["OPENAI_BASE_URL"] = job.url
    import palimpzest as pz
    from palimpzest.constants import Model

    plain = {"allow_mixtures": False, "allow_critic": False, "allow_rag_reduction": False}
    best = {"max_workers": job.in_flight, **plain} if job.best else {}
    columns = [{"name": "number", "type": int, "desc": "number"}, {"name": "body", "type": str, "desc": "the message"}]

    def ask() -> Answers:
        shown = [{"number": row["id"], "body": row["body"]} for row in job.rows]
        data = pz.MemoryDataset(id="messages", vals=shown, schema=columns)
        config = pz.QueryProcessorConfig(available_models=[Model.GPT_4o_MINI], progress=False, **best)
        found = data.sem_filter(job.bare_question, depends_on=["body"]).run(config)
        kept = {int(number) for number in found.to_df()["number"]}
        return {row["id"]: row["id"] in kept for row in job.rows}

    return ask


if __name__ == "__main__":
    main(load)
