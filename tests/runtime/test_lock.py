"""One run at a time has a folder; several may prepare the same one."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from camser.runtime.lock import FolderInUseError, lock_folder
from tests.helpers.recipe_runs import close_logs, start_run

HOLD = """
import os, sys, time
from camser.runtime.lock import lock_folder
with lock_folder(sys.argv[1]):
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
            lock_folder(folder).__enter__()
    finally:
        first.kill()
        first.communicate()
    with lock_folder(folder):
        assert f"process {os.getpid()} " in (folder / ".lock").read_text()
    assert not list(folder.iterdir())


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with lock_folder(tmp_path / "a/b"):
        pass
    assert not list(tmp_path.iterdir())


FORKS = HOLD.replace("print(1, ", "pid = os.fork()\n    if pid: print(pid, ")


def test_a_fork_does_not_hold_the_lock_of_a_killed_run_on(tmp_path):
    with subprocess.Popen([sys.executable, "-c", FORKS, tmp_path], stdout=subprocess.PIPE) as first:
        fork = int(first.stdout.readline())
        first.kill()
        first.wait()
        try:
            with lock_folder(tmp_path):
                os.kill(fork, 0)
        finally:
            os.kill(fork, signal.SIGKILL)


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def flock(handle, flags):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with lock_folder(tmp_path):
        assert "cannot be locked" in caplog.text


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
