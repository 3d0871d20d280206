"""One run at a time has a folder; several may prepare the same one."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from camser.runtime.lock import FolderInUseError, FolderLock
from tests.helpers.recipe_runs import close_logs, start_run

HOLD = """
import sys, time
from camser.runtime.lock import FolderLock
with FolderLock(sys.argv[1]):
    print(1, flush=True)
    time.sleep(99)
"""


def test_a_second_run_is_refused_until_the_first_has_ended_or_was_killed(tmp_path):
    folder = tmp_path / "a/run"
    first = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline()
        with pytest.raises(
            FolderInUseError, match=rf"process {first.pid} on .* another output_folder"
        ):
            FolderLock(folder).__enter__()
    finally:
        first.kill()
        first.communicate()
    with FolderLock(folder):
        assert f"process {os.getpid()} " in (folder / ".lock").read_text()
    assert not list(folder.iterdir())


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with FolderLock(tmp_path / "a/b"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_removes_no_file_but_its_own(tmp_path):
    folder = tmp_path / "run"
    with FolderLock(folder):
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / ".lock").write_text("another run's")
    assert (folder / ".lock").read_text() == "another run's"


def test_a_lock_that_is_removed_while_it_is_taken_is_taken_again(tmp_path, monkeypatch):
    lock, taken = FolderLock(tmp_path), []

    def lockf(handle, flags):
        if not taken:
            (tmp_path / ".lock").unlink()  # as the run before does at its end
        taken.append(handle)

    monkeypatch.setattr("camser.runtime.lock.fcntl.lockf", lockf)
    with lock:
        assert len(taken) == 2 and os.path.samestat(os.fstat(lock.handle), os.stat(lock.path))


def test_two_runs_prepare_the_same_folder_at_once(corpus, iemocap, tmp_path):
    def prepare(name):
        where = corpus, tmp_path / "prepared", tmp_path / name
        return start_run(iemocap.scan, *where, "--modalities=[mfcc]", "--fusion=concat")

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(prepare, ("one", "other"))
    (tmp_path / "prepared").rename(tmp_path / "before")
    alone = prepare("third")
    for job in (one, other):
        assert (job.data.audio.arrays[0].host == alone.data.audio.arrays[0].host).all()
        assert (job.data.cached["mfcc"].host == alone.data.cached["mfcc"].host).all()
    close_logs()
    names = {p.name for p in (tmp_path / "prepared").rglob("*")}
    assert not [name for name in names if name.startswith(".")]
