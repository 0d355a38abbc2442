"""LOTUS 1.2.4: an answer that is neither True nor False counts as True; the row is kept, and nothing in the result says so.

    benchmarks/.envs/lotus/bin/python benchmarks/rivals/defects/lotus_unsure.py

The default is documented (``default=True``); that no row tells a default from an answer is the defect.
"""

from __future__ import annotations

import lotus
import pandas as pd
from lotus.models import LM
from scripted import answer, served


def main() -> None:
    with served(lambda _, __: answer("I am not sure.")) as (url, _):
        lotus.settings.configure(lm=LM(model="openai/sim", api_base=url, api_key="none"))
        frame = pd.DataFrame({"body": [f"row {n} " for n in range(8)]})
        kept = frame.sem_filter("{body} is a complaint", return_all=True)
    print(kept.to_string())


if __name__ == "__main__":
    main()
