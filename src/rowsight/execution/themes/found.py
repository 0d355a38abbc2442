"""What themes are: plain values that can be written to a file, read back, and compared."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rowsight.core.errors import InputError, SourceError
from rowsight.core.replacing import replacing

FORMAT = "rowsight-themes-1"
Naming = Literal["model", "given", "words"]
"""Where a theme's name comes from: the model, the user's labels, or (where naming failed) the words that tell it apart."""


@dataclass(frozen=True)
class Example:
    """A row that the model was asked about and said to speak of the theme. ``row`` counts from 0 in the input."""

    row: int
    text: str


@dataclass(frozen=True)
class Cell:
    """A theme in a part of the table: one group of ``by``, or one span of ``time``.

    ``name``: the group, or the span's first day; ``None`` for rows without one. ``rows``: askable rows of the part;
    ``asked``: those drawn of them. ``share`` is an estimate, ``low`` and ``high`` hold the model's own share with the
    result's confidence, for all themes and parts of the table at once; ``None`` where no row of the part was drawn.
    """

    name: str | None
    rows: int
    asked: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Theme:
    """What some rows have in common.

    ``count`` and ``share`` estimate the rows that the model would say speak of it; ``low`` and ``high`` are bounds on
    the share that hold for all themes at once. ``naming`` says who named it, ``reason`` why not the model.
    ``words`` tell its texts from others, ``exemplars`` are texts near its centre (not all of them were asked about).
    """

    name: str
    description: str
    count: int | None
    share: float | None
    low: float | None
    high: float | None
    examples: tuple[Example, ...] = ()
    by_group: tuple[Cell, ...] = ()
    by_time: tuple[Cell, ...] = ()
    naming: Naming = "model"
    reason: str | None = None
    words: tuple[str, ...] = ()
    exemplars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Themes:
    """The themes of a table, the largest first, and ``unassigned``: what fits none of them.

    ``rows``: rows of the input; ``askable``: those with something to be asked about, the population of all shares;
    ``drawn``: how many of these were drawn for the shares, ``unanswered`` how many of the drawn have no answer.
    ``calls``: requests of the run. ``certificate``: of the rows' theme sets, where an accuracy was demanded. ``notes``
    say what went otherwise than it should.
    """

    question: str
    model: str
    themes: tuple[Theme, ...]
    unassigned: Theme
    rows: int
    askable: int
    drawn: int
    unanswered: int
    confidence: float
    by: str | None = None
    time: str | None = None
    span: str | None = None
    seed: int = 0
    calls: int = 0
    certificate: dict[str, Any] | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the themes."""
        return tuple(theme.name for theme in self.themes)

    def theme(self, name: str) -> Theme:
        """Return the theme called ``name``."""
        for theme in self.themes:
            if theme.name == name:
                return theme
        from rowsight.core.errors import nearest  # noqa: PLC0415 - only where a name is wrong

        raise InputError(f"there is no theme {name!r}{nearest(name, self.names)}")

    @property
    def statement(self) -> str:
        """What the shares say, and of what."""
        return (
            f"With probability {self.confidence:g} every theme's share, as the model would answer on all "
            f"{self.askable:,} rows, is within its bounds; drawn {self.drawn:,} rows."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the themes as JSON holds them."""
        return {"format": FORMAT, **asdict(self), "statement": self.statement}

    def save(self, path: str | Path) -> None:
        """Write the themes to a JSON file, so that a later run can be compared with them."""
        with replacing(Path(path)) as file:
            file.write(f"{json.dumps(self.as_dict(), ensure_ascii=False, indent=1)}\n".encode())


def load_themes(path: str | Path) -> Themes:
    """Return the themes that ``save`` wrote; ``SourceError`` where the file is missing or holds something else."""
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"{path} holds no themes: it is not JSON; save themes with .save({str(path)!r})") from error
    # What ``rowsight themes --json`` printed holds them beside the run's figures.
    loaded = loaded.get("themes", loaded) if isinstance(loaded, dict) and "format" not in loaded else loaded
    if not isinstance(loaded, dict) or loaded.get("format") != FORMAT:
        raise SourceError(f"{path} holds no themes of the format {FORMAT}; save themes with .save('themes.json')")
    try:
        return _themes(loaded)
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} holds damaged themes ({error}); save them again") from error


def _themes(loaded: dict[str, Any]) -> Themes:
    known = {k: v for k, v in loaded.items() if k in Themes.__dataclass_fields__}
    themes = tuple(_theme(t) for t in loaded["themes"])
    return Themes(
        **{**known, "themes": themes, "unassigned": _theme(loaded["unassigned"]), "notes": tuple(known["notes"])}
    )


def _theme(loaded: dict[str, Any]) -> Theme:
    parts = {
        "examples": tuple(Example(**e) for e in loaded["examples"]),
        "by_group": tuple(Cell(**c) for c in loaded["by_group"]),
        "by_time": tuple(Cell(**c) for c in loaded["by_time"]),
        "words": tuple(loaded["words"]),
        "exemplars": tuple(loaded["exemplars"]),
    }
    return Theme(**{**loaded, **parts})
