"""What a machine lacks: each ends a run or a command with one line that says what to do."""

import errno
import logging
import multiprocessing.connection
import os
import re
import signal
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, TINY

from camser import cli, shortages
from camser.endings import told_as_a_line
from camser.inference import EmotionClassifier


def no_room(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


SHARED = (
    "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback:\nRuntimeError: "
    "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"
)
BUS = (
    "DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that dataloader's "
    "workers are out of shared memory. Please try to raise your shared memory limit."
)


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left", "a/b"), r"a/b could not be .* MB are free there"),
        (OSError(errno.EDQUOT, "Quota exceeded"), r"run could not be written \(Quota exceeded\)"),
        (OSError(errno.EROFS, "Read-only file system", "b"), r"b may not be read or written"),
        (RuntimeError("basic_ios::clear: iostream error"), r"run could not be written; .* free"),
        (RuntimeError("DataLoader worker (pid 9) is killed by signal: Killed."), r"pid 9.*workers"),
        (RuntimeError("[x.cc:1] Connection closed by peer [::1]:2"), r"another process of this"),
        (RuntimeError(SHARED), r"/dev/shm, .* has no room; .*--num_workers=0"),
        (RuntimeError(BUS), r"/dev/shm, .* has no room; .*--shm-size"),
        (RuntimeError("NCCL error: ncclRemoteError: A call"), r"another process of this run"),
        (torch.distributed.DistStoreError("wait timeout"), r"another process of this run"),
        (RuntimeError("x does not have a deterministic implementation"), r"x .*deterministic=fal"),
        (MemoryError(), r"no memory is left \(MemoryError\)"),
    ],
)
def test_a_shortage_is_one_line_that_says_what_to_do(listening, error, told):
    with pytest.raises(SystemExit) as ended, told_as_a_line(folder="run"):
        raise error
    assert re.match(f"error: .*{told}", ended.value.code)
    assert "\n" not in ended.value.code and "the same command goes on" in ended.value.code


def closed_pipe():
    reading, writing = multiprocessing.Pipe()
    writing.close()
    reading.recv()


def no_socket():
    multiprocessing.connection.Client("/no/such/socket")


@pytest.mark.parametrize("receive", [closed_pipe, no_socket])
def test_a_worker_that_is_gone_is_told_by_the_way_to_it(listening, monkeypatch, receive):
    monkeypatch.setattr(signal, "signal", lambda number, handler: handled.append(number))
    handled = []
    with pytest.raises(SystemExit) as ended, told_as_a_line(folder="run"):
        receive()
    assert re.match("error: a worker of the data loader died .*num_workers=0", ended.value.code)
    assert handled == [signal.SIGCHLD], "another worker's end would be told beneath it"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        EOFError("a file of ours"),
        KeyError("Caught KeyError in DataLoader worker process 0."),
        RuntimeError("NCCL error in: x.cpp:93, unhandled cuda error: invalid argument"),
        torch.distributed.DistBackendError("NCCL error in: x.cpp:93, invalid usage"),
    ],
)
def test_a_mistake_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error)), told_as_a_line(ValueError):
        raise error


def test_a_log_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    handler = logging.FileHandler(tmp_path / "log.txt")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    shortages.let_logs_fail()
    monkeypatch.setattr(handler, "flush", no_room)
    with pytest.raises(OSError, match="No space"):
        logging.getLogger("x").error("told")
    monkeypatch.undo()
    handler.close()


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


def test_no_memory_to_classify_says_which_batch_would_do(monkeypatch, wave_path):
    def classify(*given):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(EmotionClassifier, "from_pretrained", lambda *given, **more: None)
    monkeypatch.setattr("camser.classify.classify", classify)
    with pytest.raises(SystemExit) as ended:
        cli.main(["classify", str(wave_path), "--model=a", "--batch-size=8"])
    assert ended.value.code == "camser: no memory for 8 segments at once; give --batch-size=4"


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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_command_tells_where_it_cannot_print():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "camser.cli", "plugins", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.startswith("camser: standard output could not be written (No space")


def test_a_reader_that_leaves_ends_a_command_quietly():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "camser.cli", "plugins", "list"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


OUTLASTS = """
import os, signal, sys, time
from camser.endings import outlast_readers
from camser.interrupts import INTERRUPTS, status
INTERRUPTS.install()
outlast_readers()
with INTERRUPTS.deferred():
    os.kill(os.getpid(), signal.SIGINT)
    for stream in (sys.stdout, sys.stderr):
        print("told to nobody", file=stream, flush=True)
open(sys.argv[1], "w").write("saved")
sys.exit(status(INTERRUPTS.asked))
"""


def test_what_is_said_to_nobody_ends_no_work(tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", OUTLASTS, tmp_path / "checkpoint"]
    ended = subprocess.run(command, stdout=write, stderr=write)
    os.close(write)
    assert ended.returncode == 130 and (tmp_path / "checkpoint").read_text() == "saved"


def test_what_is_said_arrives_in_order_while_somebody_reads():
    text = "from camser.endings import outlast_readers as o; o(); print('ä'); import sys; "
    text += "print('b', file=sys.stderr); print('c', flush=True); sys.exit('d')"
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True,
        encoding="utf-8", env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ä\nc\n", "b\nd\n", 1)
