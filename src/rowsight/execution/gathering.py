"""What a run that ends in a summary or a ranking gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.execution.report import Report
from rowsight.execution.result import Result
from rowsight.execution.summaries.summary import Sentence, Summary

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from rowsight.execution.ranking.certifying import Outside
    from rowsight.execution.ranking.ranking import Ranking


@dataclass(frozen=True)
class Summarized:
    """A summary and the run that made it: ``summary`` holds the sentences, ``result`` a table with one line a sentence."""

    summary: Summary
    result: Result

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of all groups."""
        return self.summary.sentences

    @property
    def report(self) -> Report:
        """The figures of the run."""
        return self.result.report

    def as_dict(self) -> dict[str, Any]:
        """Return the report and the summary as one JSON object."""
        return {**self.report.as_dict(), "summary": self.summary.as_dict()}

    def to_arrow(self) -> pa.Table:
        """Return one line a sentence: the group (with ``by``), ``sentence``, ``rows``, ``keys``, ``support``."""
        return self.result.to_arrow()

    def write(self, path: str | Path) -> None:
        """Write the sentences to a file whose ending says the format."""
        self.result.write(path)

    def __str__(self) -> str:
        return self.summary.text


@dataclass(frozen=True)
class RankedRows:
    """The first rows and the run that found them: ``ranking`` says how, ``result`` holds the rows in order."""

    ranking: Ranking
    result: Result

    @property
    def outside(self) -> Outside | None:
        """What is proved of the rows that are not among the first, ``None`` where nothing was demanded."""
        return self.ranking.outside

    @property
    def report(self) -> Report:
        """The figures of the run."""
        return self.result.report

    def as_dict(self) -> dict[str, Any]:
        """Return the report and the ranking as one JSON object."""
        return {**self.report.as_dict(), "ranking": self.ranking.as_dict()}

    def to_arrow(self) -> pa.Table:
        """Return the rows in order, with their rank (from 1) and score."""
        return self.result.to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas data frame."""
        return self.result.to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a Polars data frame."""
        return self.result.to_polars()

    def write(self, path: str | Path) -> None:
        """Write the rows to a file whose ending says the format."""
        self.result.write(path)

    def __len__(self) -> int:
        return len(self.result)
