"""A plugin of dbt-duckdb: AI functions in dbt's models.

In ``profiles.yml``::

    plugins:
      - module: rowsight.surfaces.dbt
        config: {model: gpt-5-mini}

``config`` holds the options of ``rowsight.connect``. Credentials come from the environment, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsight.core.errors import InputError, MissingExtraError
from rowsight.surfaces.sql.functions import register

if TYPE_CHECKING:
    BasePlugin: Any
else:
    try:
        from dbt.adapters.duckdb.plugins import BasePlugin
    except ImportError as error:
        raise MissingExtraError("dbt-duckdb", "dbt") from error


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt is untyped
    """What dbt-duckdb makes of the profile's entry."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Take the options; ``InputError`` where no model is named."""
        if "model" not in plugin_config:
            raise InputError("the plugin rowsight.surfaces.dbt names no model; add config: {model: gpt-5-mini}")
        self._options = plugin_config

    def configure_connection(self, conn: Any) -> None:
        """Add the functions to a connection that dbt opened."""
        register(conn, **self._options)
