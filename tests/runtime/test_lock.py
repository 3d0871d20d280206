"""One run at a time has a folder; several may prepare the same one."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from camser.runtime.lock import FolderInUseError, lock_folder
from tests.helpers.recipe_runs import close_logs, load_module, start_run

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


def prepare(*where):
    """Start a run in this process; what it prepared, by name."""
    scan = load_module("recipes/IEMOCAP/iemocap_prepare.py").scan
    job = start_run(scan, *where, "--modalities=[mfcc]", "--fusion=concat")
    close_logs()
    arrays = {"audio": job.data.audio.arrays[0], "mfcc": job.data.cached["mfcc"]}
    return {name: np.array(array.host) for name, array in arrays.items()}


def test_two_runs_prepare_the_same_folder_at_once(corpus, tmp_path):
    prepared = tmp_path / "prepared"
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(prepare, corpus, prepared, tmp_path / name) for name in ("one", "two")]
    names = {path.name for path in prepared.rglob("*")}
    assert not [name for name in names if name.startswith(".")]
    alone = prepare(corpus, tmp_path / "alone", tmp_path / "three")
    for run in runs:
        found = run.result()
        assert found.keys() == alone.keys()
        assert all((found[name] == alone[name]).all() for name in alone)
