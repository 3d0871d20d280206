"""Signals, locks, two runs at once, determinism."""

import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import close_logs, start_run
from test_training import NOISY, same, weights

from camser import determinism, interrupts, results
from camser.interrupts import INTERRUPTS
from camser.locking import FolderLock, InUseError
from camser.together import on_main


@pytest.fixture
def listening():
    """Our handlers, for the length of a test."""
    before = {number: signal.getsignal(number) for number in interrupts.HANDLED}
    INTERRUPTS.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    INTERRUPTS.forget()


# Signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outside_of_training_a_signal_ends_at_once(listening, number, status):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == status


def test_one_ctrl_c_that_arrives_twice_is_one(listening, monkeypatch):
    killed = []
    with INTERRUPTS.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert INTERRUPTS.asked == signal.SIGINT
        monkeypatch.setattr(interrupts, "SAME_WITHIN", 0.0)
        kill = os.kill
        monkeypatch.setattr(interrupts.os, "kill", lambda pid, number: killed.append(number))
        kill(os.getpid(), signal.SIGINT)
    assert killed == [signal.SIGINT] and signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def interrupt(job, when, number):
    """Send a signal at the ``when``-th call of the brain's ``fit_batch`` or ``evaluate_batch``."""
    name, at = when
    method, calls = getattr(job.brain, name), []

    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        return method(*args, **kwargs)

    setattr(job.brain, name, call)


@pytest.mark.parametrize(
    "when, number, told",
    [
        (("fit_batch", 5), signal.SIGTERM, r"SIGTERM: saved \S+ \(epoch 1, step 6 of 7\)"),
        (("evaluate_batch", 1), signal.SIGINT, r"SIGINT: saved \S+ \(epoch 1, its end\)"),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_weights(
    run, start, listening, capsys, when, number, told
):
    settings = [*(o for o in NOISY if "ckpt" not in o), "--num_workers=1"]
    undisturbed = weights(run(*settings, folder="undisturbed"))
    job = start(*settings)
    interrupt(job, when, number)
    with pytest.raises(SystemExit) as ended:
        job.train()
    assert ended.value.code == 128 + number
    assert re.search(told, capsys.readouterr().err)
    (saved,) = (job.output_folder / "save").glob("*")
    assert saved.name.startswith("CKPT")
    INTERRUPTS.install()
    resumed = run(*settings)
    assert same(weights(resumed), undisturbed)
    written = results.read_results(resumed.output_folder / "results.json")
    assert written["skipped_steps"] == 0 and written["determinism"] == determinism.described()


# Locks --------------------------------------------------------------------------------------

HOLD = """
import sys, time
from camser.locking import FolderLock
with FolderLock(sys.argv[1]):
    print(1, flush=True)
    time.sleep(99)
"""


def test_a_second_run_is_refused_until_the_first_has_ended_or_was_killed(tmp_path):
    folder = tmp_path / "a/run"
    first = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline()
        with pytest.raises(InUseError, match=rf"process {first.pid} on .* another output_folder"):
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

    monkeypatch.setattr("camser.locking.fcntl.lockf", lockf)
    with lock:
        assert len(taken) == 2 and os.path.samestat(os.fstat(lock.handle), os.stat(lock.path))


def test_what_fails_on_the_main_process_is_raised_there():
    with pytest.raises(ValueError, match="invalid literal"):
        on_main(int, "a")


# Two at once --------------------------------------------------------------------------------


def test_two_runs_prepare_the_same_folder_at_once(corpus, iemocap, tmp_path):
    def prepare(name):
        where = corpus, tmp_path / "prepared", tmp_path / name
        return start_run(iemocap.scan, *where, "--modalities=[mfcc]", "--fusion=concat")

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(prepare, ("one", "other"))
    (tmp_path / "prepared").rename(tmp_path / "before")
    alone = prepare("third")
    for job in (one, other):
        assert (job.data.audio.samples.host == alone.data.audio.samples.host).all()
        assert (job.data.kept["mfcc"].host == alone.data.kept["mfcc"].host).all()
    close_logs()
    names = {p.name for p in (tmp_path / "prepared").rglob("*")}
    assert not [name for name in names if name.startswith(".")]


# Determinism --------------------------------------------------------------------------------


def test_determinism_can_be_required_and_is_recorded(start, monkeypatch):
    monkeypatch.setenv(determinism.WORKSPACE, "")
    monkeypatch.delenv(determinism.WORKSPACE)
    try:
        with pytest.raises(ValueError, match=r"deterministic is .yes.; it must be true or false"):
            start("--deterministic=yes")
        start("--deterministic=true")
        told = determinism.described()
        assert told["deterministic_algorithms"] and not told["cudnn_benchmark"]
        assert told[determinism.WORKSPACE] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
