"""Directories of a run: gone with their owner, or with the next one."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rowsight.core.scratch import Scratch

CHILD = """
import time
from rowsight.core.scratch import Scratch
kept = Scratch()
print(kept.name, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_directory_goes_with_its_object_and_by_name():
    first, second = Scratch(), Scratch()
    Path(first.name, "rows").write_text("x")
    assert Path(first.name).stat().st_mode & 0o777 == 0o700
    first.close()
    first.close()
    name = second.name
    del second
    gc.collect()
    assert not Path(first.name).exists()
    assert not Path(name).exists()


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_has_is_not(temporary):
    started = [subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        dead, living = (Path(p.stdout.readline().strip()) for p in started)
        started[0].send_signal(signal.SIGKILL)
        started[0].wait()
        assert dead.exists()
        own = Scratch()
        assert not dead.exists()
        assert living.exists()
        assert sorted(temporary.iterdir()) == sorted([living, Path(own.name)])
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()


def test_a_directory_without_a_lock_is_left_until_it_is_old(temporary):
    found = temporary / "rowsight-run-unlocked"
    found.mkdir()
    Scratch().close()
    assert found.exists()
    long_ago = time.time() - 7200
    os.utime(found, (long_ago, long_ago))
    Scratch().close()
    assert not found.exists()


def test_links_and_other_directories_are_left(temporary):
    elsewhere = temporary / "other"
    elsewhere.mkdir()
    (temporary / "rowsight-run-link").symlink_to(elsewhere)
    os.utime(elsewhere, (0, 0))
    Scratch().close()
    assert elsewhere.exists()
