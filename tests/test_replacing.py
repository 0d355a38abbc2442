"""Files that appear whole or not at all."""

import os
import stat
import threading

import pytest

from rowsight.core.errors import OutputError
from rowsight.core.replacing import replacing


@pytest.mark.parametrize("private", [False, True])
def test_a_file_appears_when_it_is_whole(tmp_path, private):
    path = tmp_path / "a.json"
    before = os.umask(0o027)
    try:
        with replacing(path, private=private) as file:
            file.write(b"new")
            assert not path.exists()
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == (0o600 if private else 0o640)


def test_a_file_that_is_given_up_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"new")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        fail()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.json", b"old")]


def test_a_link_goes_on_naming_the_file_that_is_replaced(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "latest.json").symlink_to(kept / "a.json")
    for content in (b"first", b"second"):
        with replacing(tmp_path / "latest.json") as file:
            file.write(content)
        assert (tmp_path / "latest.json").is_symlink()
        assert (kept / "a.json").read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_written_as_it_is(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with replacing(path) as file:
        file.write(b"through")
    reader.join()
    assert read == [b"through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("name", ["missing/a.json", "."])
def test_a_place_that_takes_no_file_is_said(tmp_path, name):
    with pytest.raises(OutputError, match=r"can't be written: .*; choose another place"), replacing(tmp_path / name):
        pass
