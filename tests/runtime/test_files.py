"""Files are whole or absent, whatever happens while they are written."""

import hashlib
import os
import stat
import subprocess
import sys

import pytest

from camser.runtime.digests import compare_with_record, digest, file_record
from camser.runtime.files import atomic_folder, atomic_write, remove_stale_temporaries


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_everything_as_it_was(tmp_path, old, error):
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)
    with pytest.raises(error, match="stop"), atomic_write(path) as file:
        file.write("half")
        raise error("stop")
    assert [p.name for p in tmp_path.iterdir()] == (["file.txt"] if old else [])
    assert not old or path.read_text() == old


def test_readers_see_the_old_file_until_the_block_ends(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_the_old_file_and_at_most_hidden_ones(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = """
import os, sys
from camser.runtime.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write("half")
    file.flush()
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert path.read_text() == "old"
    assert [p for p in tmp_path.iterdir() if not p.name.startswith(".")] == [path]


def test_what_cannot_be_replaced_leaves_no_temporary(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"), atomic_write(folder) as file:
        file.write("text")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_permissions_are_those_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "file") as file:
            file.write("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


def test_missing_folders_are_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "file.txt") as file:
        file.write("x")
    assert (tmp_path / "a" / "b" / "file.txt").read_text() == "x"


def test_text_is_utf8_and_its_line_ends_are_kept(tmp_path):
    text = "ä 你\r\nb\nc\r"
    with atomic_write(tmp_path / "text") as file:
        file.write(text)
    with atomic_write(tmp_path / "bytes", "wb") as file:
        file.write(text.encode())
    assert (tmp_path / "text").read_bytes() == (tmp_path / "bytes").read_bytes() == text.encode()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_digest_is_the_start_of_sha256(tmp_path, size):
    content = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert digest(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()[:16]


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path):
    with atomic_write(tmp_path / "whole.json") as file:
        file.write("{}")
    for name in (".a.json.x1.part", ".b.npy.x2.part", ".hidden", "c.part"):
        (tmp_path / name).write_text("x")
    remove_stale_temporaries(tmp_path, seconds=60)  # as old as that is none of them
    assert len(list(tmp_path.iterdir())) == 5
    remove_stale_temporaries(tmp_path, "*.npy")
    assert not (tmp_path / ".b.npy.x2.part").exists()
    remove_stale_temporaries(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"whole.json", ".hidden", "c.part"}


def test_the_folder_is_flushed_after_the_new_name_stands_in_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "camser.runtime.files.fsync_path", lambda p: seen.append((p, sorted(tmp_path.iterdir())))
    )
    with atomic_write(tmp_path / "file") as file:
        file.write("x")
    assert seen == [(tmp_path, [tmp_path / "file"])]


def test_a_file_is_told_from_another(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    told = file_record(path)
    assert compare_with_record(path, told) is None
    path.write_bytes(b"abd")
    assert compare_with_record(path, told) == "file has changed"
    assert compare_with_record(path, None) == "file has 3 bytes instead of None"
    path.unlink()
    assert compare_with_record(path, told) == "file is missing"


def test_a_replaced_folder_is_back_if_the_new_one_cannot_be_moved(tmp_path, monkeypatch):
    path = tmp_path / "model"
    with atomic_folder(path) as folder:
        (folder / "weights").write_text("old")
    rename = os.rename

    def interrupted(source, target):
        if target == path and "old" not in (source / "weights").read_text():
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path, replace=True) as folder:
        (folder / "weights").write_text("new")
    assert (path / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
