"""LOTUS 1.2.4: one row that is refused ends ``sem_filter``, and every other answer, paid for, is lost.

    benchmarks/.envs/lotus/bin/python benchmarks/rivals/defects/lotus_bad_reply.py

One of 64 rows gets a 400 (as a content filter gives). Expected: 63 answers and one row without. Asked again (the default
settings, in the same process), every answered row is asked again.
"""

from __future__ import annotations

import lotus
import pandas as pd
from lotus.models import LM
from scripted import answer, served

ROWS = 64


def attempt(frame: pd.DataFrame) -> str:
    try:
        return f"{len(frame.sem_filter('{body} is a complaint'))} rows kept"
    except Exception as error:  # noqa: BLE001 - which one it raises is what is shown
        return f"raised {type(error).__name__}"


def main() -> None:
    refused = (
        400,
        b'{"error": {"message": "content filter", "type": "invalid_request_error", "code": "content_filter"}}',
    )
    with served(lambda _, said: refused if "row 10 " in said else answer("True")) as (url, asked):
        lotus.settings.configure(lm=LM(model="openai/sim", api_base=url, api_key="none"))
        frame = pd.DataFrame({"body": [f"row {n} " for n in range(ROWS)]})
        for time in ("first", "again"):
            print(f"{time}: {attempt(frame)}; {len(asked)} requests for {ROWS} rows so far")


if __name__ == "__main__":
    main()
