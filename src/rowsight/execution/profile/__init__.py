"""What a table is made of, without a model: SQL over its columns, one streamed pass over its texts."""

from rowsight.execution.profile.described import Bar, ColumnProfile, Lengths, Personal, Profile, Resembling, Trouble
from rowsight.execution.profile.profiled import profiled

__all__ = ["Bar", "ColumnProfile", "Lengths", "Personal", "Profile", "Resembling", "Trouble", "profiled"]
