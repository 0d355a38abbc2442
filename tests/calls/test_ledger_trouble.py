"""What goes wrong with files: an error that says what to do, and what is readable stays readable."""

import asyncio
import os
import sqlite3
import stat
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_child import NOBODY
from ledger_support import answer, child, finished, key

from rowsight.calls.budget import Amounts
from rowsight.calls.ledger import Granted, Held, SqliteLedger
from rowsight.calls.ledger.admin import LedgerAdmin
from rowsight.calls.ledger.owners import Owner
from rowsight.calls.ledger.schema import FILE_NAME
from rowsight.core.errors import LedgerError

ONE = Amounts(1, 100, 50)


async def filled(directory, many=200):
    ledger = SqliteLedger.open(directory)
    await ledger.begin_run("run", {})
    await asyncio.gather(*[ledger.claim("run", key(i), ONE) for i in range(many)])
    await asyncio.gather(*[ledger.settle("run", key(i), answer("x" * 300), ONE) for i in range(many)])
    ledger.close()


async def test_only_the_user_can_read_it(tmp_path):
    ledger = SqliteLedger.open(tmp_path / "new" / "state")
    await ledger.begin_run("run", {})
    files = list((tmp_path / "new" / "state").iterdir())
    assert {f.name for f in files} >= {FILE_NAME, FILE_NAME + "-wal"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o700
    ledger.close()


async def test_a_file_open_to_others_is_closed_to_them(tmp_path):
    (tmp_path / FILE_NAME).touch(0o644)
    SqliteLedger.open(tmp_path).close()
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_full_disk_is_an_error_and_keeps_what_is_there(tmp_path):
    said = finished(child("fill", tmp_path, 600_000))
    settled = [i for what, i in said if what == "settled"]
    error, refused, readable = said[-3:]
    assert error[0] == "error"
    assert str(tmp_path) in error[1]
    assert "disk is full" in error[1]
    assert "run the same command again" in error[1]
    assert refused[0] == "refused"
    assert readable == ["readable", len(settled)]
    assert len(settled) > 5
    assert LedgerAdmin(tmp_path).stats()["answers"] == len(settled)
    assert LedgerAdmin(tmp_path).verify()["ok"]


@pytest.fixture
def readonly_directory():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


async def test_a_read_only_ledger_is_an_error_and_can_be_read(readonly_directory):
    await filled(readonly_directory)
    for path, mode in [(readonly_directory / FILE_NAME, 0o400), (readonly_directory, 0o500)]:
        path.chmod(mode)
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    error, readable = finished(child("readonly", readonly_directory))
    assert error[0] == "error"
    assert "make the file and its directory writable, or choose another --state" in error[1]
    assert readable == ["readable", 200, True, 1]


def test_a_state_that_is_no_directory(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(LedgerError, match="--state"):
        SqliteLedger.open(tmp_path / "state")


def test_a_ledger_that_is_a_directory(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(LedgerError, match="--state"):
        SqliteLedger.open(tmp_path)


async def test_a_locked_ledger_names_the_lock_and_goes_on_reading(tmp_path):
    await filled(tmp_path)
    ledger = SqliteLedger.open(tmp_path, busy_seconds=0.2)
    await ledger.begin_run("other", {})
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another process keeps it locked"):
            await ledger.claim("other", key("new"), ONE)
        with pytest.raises(LedgerError, match="another process keeps it locked"):
            SqliteLedger.open(tmp_path, busy_seconds=0.1)
        assert len(await ledger.lookup([key(0), key("new")])) == 1
        other.execute("ROLLBACK")
    with pytest.raises(LedgerError, match="locked"):
        await ledger.claim("other", key("new"), ONE)
    ledger.close()


async def test_a_newer_ledger_is_left_alone_and_can_be_exported(tmp_path):
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as newer:
        newer.execute("PRAGMA user_version=99")
    with pytest.raises(LedgerError, match=r"newer Rowsight.*format 99.*upgrade"):
        SqliteLedger.open(tmp_path)
    with pytest.raises(LedgerError, match="newer"):
        LedgerAdmin(tmp_path).stats()
    counts = LedgerAdmin(tmp_path).export(tmp_path / "all.jsonl")
    assert counts == {"answers": 200, "failures": 0, "gaps": 0}


def test_another_programs_file_is_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("CREATE TABLE t(x)")
    with pytest.raises(LedgerError, match="another program's"):
        SqliteLedger.open(tmp_path)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a ledger, but long enough to look at" * 100)
    for use in (SqliteLedger.open, lambda d: LedgerAdmin(d).stats()):
        with pytest.raises(LedgerError, match="not a ledger: move it away"):
            use(tmp_path)


def test_no_ledger_yet(tmp_path):
    assert LedgerAdmin(tmp_path).runs() == []
    with pytest.raises(LedgerError, match="none yet"):
        LedgerAdmin(tmp_path).stats()


async def test_a_damaged_ledger_gives_what_is_readable(tmp_path):
    await filled(tmp_path, 3000)
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    leaves = [at for at in range(20 * size, len(data), size) if data[at] == 10]  # leaves of a table without row ids
    for at in (leaves[10], leaves[40]):
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    found = LedgerAdmin(tmp_path).verify()
    assert not found["ok"]
    assert found["problems"]
    counts = LedgerAdmin(tmp_path).export(tmp_path / "saved.parquet")
    assert 2800 <= counts["answers"] < 3000
    assert counts["gaps"] >= 2
    ledger = SqliteLedger.open(tmp_path)
    readable, damaged = 0, 0
    for i in range(3000):
        try:
            readable += len(await ledger.lookup([key(i)]))
        except LedgerError as error:
            damaged += 1
            assert "ledger export" in str(error)  # noqa: PT017 - some raise, most don't
    assert readable >= counts["answers"]
    assert damaged > 0
    ledger.close()


async def test_a_cancelled_claim_is_given_back(tmp_path):
    ledger = SqliteLedger.open(tmp_path)
    await ledger.begin_run("run", {})
    claim = asyncio.ensure_future(ledger.claim("run", key(1), ONE))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    while (again := await ledger.claim("run", key(1), ONE)) == Held():
        assert await ledger.wait(key(1)) is None
    assert again == Granted()
    assert (await ledger.account("run")).reserved == ONE
    ledger.close()


async def test_a_closed_ledger_says_so(tmp_path):
    ledger = SqliteLedger.open(tmp_path)
    await ledger.begin_run("run", {})
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        await ledger.claim("run", key(1), ONE)


def test_owners_elsewhere_live_as_long_as_their_lease():
    here = Owner.here()
    far = replace(here, host="elsewhere", boot="another")
    assert far.alive(expires=100.0, now=99.0)
    assert not far.alive(expires=100.0, now=100.0)
    assert here.alive(expires=100.0, now=99.0)
    assert not replace(here, boot="before").alive(expires=100.0, now=99.0)
    assert not replace(here, born="1").alive(expires=100.0, now=99.0)
    assert not replace(here, pid=2**30).alive(expires=100.0, now=99.0)
