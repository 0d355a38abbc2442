"""The result of ``themes``: the themes, and the rows with theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.execution.themes.changes import Changes, compared
from rowsight.execution.themes.found import Themes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from rowsight.execution.report import Report
    from rowsight.execution.result import Result
    from rowsight.execution.themes.found import Theme
    from rowsight.guarantees.certificate import Certificate


class ThemesResult:
    """``found``: the themes, a plain value. ``rows``: the result of the run, every row with its themes and its status."""

    def __init__(self, rows: Result) -> None:
        self.rows = rows
        [found] = [ask.themes for ask in rows.report.asks if ask.themes is not None]
        certificate = rows.certificate
        body = None if certificate is None else {k: v for k, v in certificate.body.items() if k != "proof"}
        self.found: Themes = replace(found, calls=rows.report.calls, certificate=body)

    @property
    def themes(self) -> tuple[Theme, ...]:
        """The themes, the largest first."""
        return self.found.themes

    @property
    def unassigned(self) -> Theme:
        """What fits no theme."""
        return self.found.unassigned

    @property
    def report(self) -> Report:
        """The figures of the run."""
        return self.rows.report

    @property
    def certificates(self) -> list[Certificate]:
        """The certificate of the rows' sets of themes, where an accuracy was demanded."""
        return self.rows.certificates

    def to_arrow(self) -> pa.Table:
        """Return all rows, each with the list of its themes and its status."""
        return self.rows.to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a pandas data frame."""
        return self.rows.to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return all rows as a Polars data frame."""
        return self.rows.to_polars()

    def as_dict(self) -> dict[str, Any]:
        """Return the run's figures, and the themes under ``themes``, as JSON holds them."""
        return {**self.report.as_dict(), "themes": self.found.as_dict()}

    def save(self, path: str | Path) -> None:
        """Write the themes to a JSON file; ``rowsight.load_themes`` reads it."""
        self.found.save(path)

    def diff(self, other: ThemesResult | Themes) -> Changes:
        """Return what is new, gone, grown and shrunk since ``other``, an earlier result or loaded themes."""
        return compared(other.found if isinstance(other, ThemesResult) else other, self.found)

    def __iter__(self) -> Iterator[Theme]:
        return iter(self.themes)

    def __len__(self) -> int:
        return len(self.themes)

    def __repr__(self) -> str:
        return f"<ThemesResult: {len(self)} themes; {self.report.calls:,} calls>\n" + "\n".join(
            map(theme_line, (*self.themes, self.unassigned))
        )

    def _repr_html_(self) -> str:
        import html  # noqa: PLC0415 - notebooks only

        return f"<pre>{html.escape(repr(self))}</pre>"


def theme_line(theme: Theme) -> str:
    """Return a theme in one line: share, bounds, name, description."""
    share = "     ?" if theme.share is None else f"{theme.share:6.1%}"
    bounds = "" if theme.low is None or theme.high is None else f" ({theme.low:.1%} to {theme.high:.1%})"
    return f"{share}{bounds}  {theme.name}{f': {theme.description}' if theme.description else ''}"
