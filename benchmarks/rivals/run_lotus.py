"""LOTUS: ``sem_filter`` on a data frame. Best settings: as many calls at once as the server bears (64 is the default)."""

from __future__ import annotations

from collections.abc import Callable

from job import Answers, Job, main


def load(job: Job) -> Callable[[], Answers]:
    import lotus
    import pandas as pd
    from lotus.models import LM

    given = {"max_batch_size": job.in_flight} if job.best else {}
    lotus.settings.configure(lm=LM(model="openai/sim", api_base=job.url, api_key="sk-none", **given))

    def ask() -> Answers:
        frame = pd.DataFrame(job.rows)
        kept = set(frame.sem_filter(job.question)["id"])
        return {row["id"]: row["id"] in kept for row in job.rows}

    return ask


if __name__ == "__main__":
    main(load)
