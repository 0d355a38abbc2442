"""Daft: the ``prompt`` expression on a data frame. Best settings: more retries, and a row that fails is null.

There is no setting for the calls in flight.
"""

from __future__ import annotations

from collections.abc import Callable

from job import Answers, Job, main, said


def load(job: Job) -> Callable[[], Answers]:
    import daft
    from daft.functions import format as worded
    from daft.functions import prompt

    daft.set_provider("openai", base_url=job.url, api_key="sk-none")
    given = {"on_error": "ignore", "max_retries": 5} if job.best else {}
    before, after = job.question.split("{body}")

    def ask() -> Answers:
        frame = daft.from_pylist(job.rows)
        asked = worded(before + "{}" + after + " Answer Yes or No.", daft.col("body"))
        answer = prompt(asked, provider="openai", model="sim", use_chat_completions=True, **given)
        found = frame.with_column("answer", answer).to_pydict()
        answers = {key: said(text) for key, text in zip(found["id"], found["answer"], strict=True)}
        return {key: value for key, value in answers.items() if value is not None}

    return ask


if __name__ == "__main__":
    main(load)
