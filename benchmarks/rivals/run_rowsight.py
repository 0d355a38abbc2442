"""Rowsight: a plain filter over every row; at its defaults with the durable ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from job import Answers, Job, main


def load(job: Job, **options: Any) -> Callable[[], Answers]:
    import pyarrow as pa

    from rowsight.session import Session
    from rowsight.surfaces.table import read

    given = {"concurrency": job.in_flight} if job.best else {}

    def ask() -> Answers:
        session = Session(state=Path(job.scratch), environment={})
        table = read(pa.Table.from_pylist(job.rows), session=session).filter(job.question, keep_all=True)
        found = table.run("sim", base_url=job.url, **given, **options).to_arrow()
        return dict(zip(found["id"].to_pylist(), found["answer"].to_pylist(), strict=True))

    return ask


if __name__ == "__main__":
    main(load)
