"""Daft 0.7.26: with ``on_error="ignore"`` one refused row makes every row of its batch null.

    benchmarks/.envs/daft/bin/python benchmarks/rivals/defects/daft_ignore.py

One of 64 rows gets a 400 (as a content filter gives); the other 63 replies arrive and are paid. Expected: one null.
"""

from __future__ import annotations

import daft
from daft.functions import prompt
from scripted import answer, served

ROWS = 64


def main() -> None:
    refused = (
        400,
        b'{"error": {"message": "content filter", "type": "invalid_request_error", "code": "content_filter"}}',
    )
    with served(lambda _, said: refused if "row 10 " in said else answer("Yes")) as (url, asked):
        daft.set_provider("openai", base_url=url, api_key="none")
        frame = daft.from_pydict({"body": [f"row {n} " for n in range(ROWS)]})
        options = {"use_chat_completions": True, "on_error": "ignore", "max_retries": 0}
        said = prompt(daft.col("body"), provider="openai", model="sim", **options)
        answers = frame.with_column("answer", said).to_pydict()["answer"]
    print(f"{ROWS} rows, {len(asked)} requests, {answers.count('Yes')} answers, {answers.count(None)} nulls")


if __name__ == "__main__":
    main()
