"""``rowsight verify``: a saved certificate checked offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rowsight.core.errors import InputError
from rowsight.surfaces.cli.terminal import say


@click.command("verify")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("table", required=False)
def verify(certificate: Path, table: str | None) -> int:
    """Replay the proof in CERTIFICATE; with TABLE, also check that it speaks of that table. Exit 0 holds, 1 doesn't."""
    from rowsight.guarantees import verifier  # noqa: PLC0415 - commands load what they use

    if not certificate.is_file():
        raise InputError(f"there is no file {certificate}")
    code = verifier.main([str(certificate)])
    if table is not None and code == 0:
        code = _speaks_of(certificate, table)
    return code


def _speaks_of(certificate: Path, table: str) -> int:
    from rowsight.guarantees.certificate import Certificate  # noqa: PLC0415 - commands load what they use

    named: dict[str, Any] | None = Certificate.load(certificate).body.get("table")
    if named is None:
        raise InputError(f"{certificate} doesn't say of which table it speaks")
    if _digest(table, tuple(named["columns"])) == named["digest"]:
        say(f"It speaks of {table}: the texts of {', '.join(named['columns'])} are those that it was proved over.")
        return 0
    say(f"It doesn't speak of {table}: other rows, another order or other texts than those that it was proved over.")
    return 1


def _digest(table: str, columns: tuple[str, ...]) -> str:
    from rowsight.execution.certified import TableDigest, text_arrays  # noqa: PLC0415 - commands load what they use
    from rowsight.session import Session  # noqa: PLC0415

    session, read = Session(), TableDigest()
    scan = session.scan(table)
    missing = [c for c in columns if c not in scan.columns]
    if missing:
        raise InputError(f"{table} has no column {missing[0]!r}, of which the certificate speaks")
    with session.opened(scan) as relations:
        for batch in relations.stream(scan, columns, 8192):
            read.update(text_arrays(batch, columns))
    return read.digest().hex()


COMMANDS = {"verify": verify}
