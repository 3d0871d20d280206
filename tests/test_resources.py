"""Signals, locks, two runs at once, determinism."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import close_logs, start_run
from identical import NOISY, same, weights

from camser import determinism, interrupts, results
from camser.interrupts import INTERRUPTS
from camser.locking import FolderLock, InUseError
from camser.together import on_main

CHEAP = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8"]


# Signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outside_of_training_a_signal_ends_at_once(listening, number, status):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == status


def test_a_signal_whose_end_python_ignores_comes_once_more(listening):
    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        Dying()
        time.sleep(30)
    assert ended.value.code == 143


def test_a_worker_leaves_it_to_the_main_process_to_tell_how_all_ends(listening, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *rest: told.append(kind))
    interrupts.leave_to_main(0)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    for error in (ConnectionResetError(), EOFError(), KeyError()):
        sys.excepthook(type(error), error, None)
    assert told == [KeyError]


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


GONE = RuntimeError("DataLoader worker (pid 9) is killed by signal: Terminated. ")


def lose_worker(job, method, step, epoch, error):
    """Be told, in a method of the brain, to end, and that the loader's worker has ended."""
    inner = getattr(job.brain, method)

    def call(*args, **kwargs):
        if (job.brain.step, job.brain.hparams.epoch_counter.current) == (step, epoch):
            INTERRUPTS.asked = signal.SIGTERM
            raise error
        return inner(*args, **kwargs)

    setattr(job.brain, method, call)


@pytest.mark.parametrize(
    "method, step, epoch, error, saved",
    [
        ("compute_objectives", 3, 1, GONE, None),
        ("optimizers_step", 3, 2, GONE, "epoch 1, its end"),
        ("on_stage_start", 0, 2, GONE, "epoch 1, its end"),
        ("update_average", 3, 1, GONE, "epoch 1, step 3 of 7"),
        ("update_average", 3, 1, EOFError(), "epoch 1, step 3 of 7"),
    ],
)
def test_a_run_that_is_cut_off_anywhere_in_a_step_saves_no_half_of_it(
    start, run, listening, capsys, method, step, epoch, error, saved
):
    settings = [*CHEAP, "--number_of_epochs=2"]
    undisturbed = weights(run(*settings, folder="undisturbed"))
    job = start(*settings)
    lose_worker(job, method, step, epoch, error)
    with pytest.raises(SystemExit) as ended:
        job.train()
    INTERRUPTS.forget()
    assert ended.value.code == 128 + signal.SIGTERM
    there = [path.name for path in (job.output_folder / "save").iterdir()]
    assert len(there) == (saved is not None), there
    assert ("step 3" in capsys.readouterr().err) == (saved is not None and "step" in saved)
    assert same(weights(run(*settings)), undisturbed)


def test_training_without_checkpoints_ends_for_a_signal_too(start, listening):
    job = start(*CHEAP)
    job.brain.checkpointer = None
    interrupt(job, ("fit_batch", 2), signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        job.train()
    assert ended.value.code == 143 and job.brain.step == 2


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


@pytest.fixture
def other_sums():
    """Sums that round otherwise, for the length of a test that asks for them."""
    before = torch.get_float32_matmul_precision()
    yield lambda: torch.set_float32_matmul_precision("medium")
    torch.set_float32_matmul_precision(before)


def test_a_run_that_went_on_otherwise_says_so_and_one_that_had_ended_says_how(run, other_sums):
    first = read_run(run(*CHEAP))
    used = first["determinism"]["float32_matmul_precision"]
    told = f"float32_matmul_precision: {used!r}, then 'medium'"
    other_sums()
    again = read_run(run(*CHEAP))  # nothing is left to train
    assert again["determinism"] == first["determinism"] and first["changed"] == []
    assert again["changed"] == []
    job = run(*CHEAP, "--number_of_epochs=2")
    longer = read_run(job)
    assert longer["changed"] == [told]
    kept = longer["determinism"]["float32_matmul_precision"]
    assert kept == (used if longer["best_epoch"] == 1 else "medium")
    assert (job.output_folder / "log.txt").read_text().count(told) == 2


def read_run(job):
    return results.read_results(job.output_folder / "results.json")


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
