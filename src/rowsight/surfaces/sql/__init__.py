"""SQL with AI functions: ``rowsight.connect(...)``."""

from rowsight.surfaces.sql.connection import Connection, connect

__all__ = ["Connection", "connect"]
