"""Signals, locks, full disks, no memory, lost workers: each ends a run with one line."""

import errno
import logging
import os
import re
import signal
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, TINY
from test_training import NOISY, same, weights

from camser import determinism, interrupts, results, shortages
from camser.endings import told_as_a_line
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
    INTERRUPTS.__init__()


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
        first.wait()
    with FolderLock(folder):
        assert f"process {os.getpid()} " in (folder / ".lock").read_text()
    assert not list(folder.iterdir())


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with FolderLock(tmp_path / "a/b"):
        pass
    assert not list(tmp_path.iterdir())


def test_what_fails_on_the_main_process_is_raised_there():
    with pytest.raises(ValueError, match="invalid literal"):
        on_main(int, "a")


# Shortages ----------------------------------------------------------------------------------


def no_room(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left", "a/b"), r"a/b could not be .* MB are free there"),
        (OSError(errno.EDQUOT, "Quota exceeded"), r"run could not be written \(Quota exceeded\)"),
        (OSError(errno.EROFS, "Read-only file system", "b"), r"b may not be read or written"),
        (RuntimeError("basic_ios::clear: iostream error"), r"run could not be written; .* free"),
        (RuntimeError("DataLoader worker (pid 9) is killed by signal: Killed."), r"pid 9.*workers"),
        (RuntimeError("[x.cc:1] Connection closed by peer [::1]:2"), r"another process of this"),
        (MemoryError(), r"no memory is left \(MemoryError\)"),
    ],
)
def test_a_shortage_is_one_line_that_says_what_to_do(error, told):
    with pytest.raises(SystemExit) as ended, told_as_a_line(folder="run"):
        raise error
    assert re.match(f"error: .*{told}", ended.value.code)
    assert "\n" not in ended.value.code and "the same command goes on" in ended.value.code


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(RuntimeError), told_as_a_line(ValueError):
        raise RuntimeError("shapes differ")


def test_a_log_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    handler = logging.FileHandler(tmp_path / "log.txt")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    shortages.let_logs_fail()
    monkeypatch.setattr(handler, "flush", no_room)
    with pytest.raises(OSError, match="No space"):
        logging.getLogger("x").error("told")


def test_no_memory_to_train_or_to_score_says_which_batch_would_do(start, monkeypatch):
    job = start("--batch_size=16", "--grad_accumulation_factor=3")

    def forward(batch, stage):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(job.brain, "compute_forward", forward)
    told = "a batch of 16 .* --batch_size=8 --grad_accumulation_factor=6, the same 48 segments"
    with pytest.raises(shortages.NoMemoryError, match=told):
        job.train()
    again = start("--eval_batch_size=8")
    monkeypatch.setattr(again.brain, "_embed", lambda batch: torch.empty(1 << 45))
    monkeypatch.setattr(again.brain, "fit_batch", lambda batch: 0.0)
    with pytest.raises(shortages.NoMemoryError, match=r"to score; give --eval_batch_size=4"):
        again.train()


def test_a_full_disk_leaves_no_part_of_a_checkpoint(start, monkeypatch):
    job = start()
    monkeypatch.setattr("camser.checkpoints.flush", no_room)
    with pytest.raises(OSError, match="No space") as raised:
        job.train()
    assert raised.value.filename == str(job.output_folder / "save")
    assert not list((job.output_folder / "save").iterdir())


def test_a_read_only_place_is_one_line(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    command = [
        sys.executable, "recipes/IEMOCAP/train.py", TINY, "--device=cpu",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'file/run'}",
        f"--prepared_folder={tmp_path / 'prepared'}",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: ")


# Determinism --------------------------------------------------------------------------------


def test_determinism_can_be_required_and_is_recorded(start, monkeypatch):
    monkeypatch.setenv(determinism.WORKSPACE, "")
    monkeypatch.delenv(determinism.WORKSPACE)
    try:
        start("--deterministic=true")
        told = determinism.described()
        assert told["deterministic_algorithms"] and not told["cudnn_benchmark"]
        assert told[determinism.WORKSPACE] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
