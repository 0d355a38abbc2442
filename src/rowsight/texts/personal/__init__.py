"""Personal data in texts: found by its form, its check digits and the words around it; told by kind, never in full."""

from rowsight.texts.personal.finder import CANDIDATE, Finder, Match
from rowsight.texts.personal.kinds import KINDS, Kind
from rowsight.texts.personal.masks import masked

__all__ = ["CANDIDATE", "KINDS", "Finder", "Kind", "Match", "masked"]
