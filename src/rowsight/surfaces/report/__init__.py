"""Reports as files: one that a browser opens from disk, or the same as JSON."""

from rowsight.surfaces.report.files import check_report, write_report

__all__ = ["check_report", "write_report"]
