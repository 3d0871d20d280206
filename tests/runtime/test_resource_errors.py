"""What a machine lacks: each ends a run or a command with one line that says what to do."""

import errno
import logging
import multiprocessing.connection
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data._utils import signal_handling

from camser import cli
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.inference import EmotionClassifier
from camser.runtime import resource_errors
from camser.runtime.exit import STOP_NOTE, exit_with_message
from camser.training.checkpoints import CheckpointError
from tests.helpers.recipe_runs import ROOT, TINY


def no_room(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left", "a/b"), r"a/b could not be .* MB are free there"),
        (OSError(errno.EDQUOT, "Quota exceeded"), r"run could not be written \(Quota exceeded\)"),
        (torch.distributed.DistStoreError("wait timeout"), r"cannot reach the others .*timeout\)"),
        (torch.OutOfMemoryError("CUDA out of memory."), r"no memory is left \(CUDA out of"),
        (MemoryError(), r"no memory is left \(MemoryError\)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), r"no memory is left"),
    ],
)
def test_a_shortage_is_one_line_that_says_what_to_do(listening, error, told):
    with pytest.raises(SystemExit) as ended, exit_with_message(folder="run"):
        raise error
    assert re.match(f"error: .*{told}", ended.value.code)
    assert "\n" not in ended.value.code
    assert "run the same command again to resume" in ended.value.code


def closed_pipe():
    reading, writing = multiprocessing.Pipe()
    writing.close()
    reading.recv()


def no_socket():
    multiprocessing.connection.Client("/no/such/socket")


def nothing():
    """The loader notices by itself, where it waits for the worker's next batch."""


def workers_of(loader):
    return list(getattr(loader._speechbrain_iterator, "_workers", ()))


@pytest.mark.parametrize("receive", [closed_pipe, no_socket, nothing])
def test_a_worker_that_is_gone_is_told_by_its_exit_status(start, listening, receive):
    signal_handling._SIGCHLD_handler_set = False
    signal_handling._set_SIGCHLD_handler()  # as a loader of the program has done before
    options = ["--modalities=[mfcc]", "--fusion=concat", "--num_workers=1", "--batch_size=8"]
    job = start(*options)
    compute_forward = job.brain.compute_forward

    def kill_and_receive(batch, stage):
        for loader in job.brain._loaders:
            for worker in workers_of(loader):
                os.kill(worker.pid, signal.SIGKILL)
        receive()
        return compute_forward(batch, stage)

    job.brain.compute_forward = kill_and_receive
    with (
        pytest.raises(SystemExit) as ended,
        exit_with_message(resource_errors.LostWorkerError),
        job.brain.watching_workers(),
    ):
        job.train()
    assert re.match("error: a worker of the data loader ended: SIGKILL", ended.value.code)
    assert "--num_workers=0" in ended.value.code and "\n" not in ended.value.code
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        EOFError("a file of ours"),
        KeyError("Caught KeyError in DataLoader worker process 0."),
        # No type, errno or exit status says what these are: words of other packages do not count.
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("could not create a primitive descriptor for the LSTM forward propagation"),
        RuntimeError("DataLoader worker (pid 9) is killed by signal: Killed."),
        RuntimeError("[x.cc:1] Connection closed by peer [::1]:2"),
        RuntimeError("basic_ios::clear: iostream error"),
        RuntimeError("x does not have a deterministic implementation"),
        torch.distributed.DistBackendError("NCCL error in: x.cpp:93, invalid usage"),
    ],
)
def test_what_has_no_type_keeps_its_traceback_and_gets_one_line_that_invents_nothing(error):
    with (
        pytest.raises(type(error)) as raised,
        exit_with_message(ValueError, note=STOP_NOTE),
    ):
        raise error
    assert raised.value is error
    if sys.version_info >= (3, 11):
        (line,) = error.__notes__
        assert line == STOP_NOTE


def test_what_torch_cannot_write_has_no_errno_and_is_told_with_the_room_there_is(
    start, monkeypatch
):
    job = start("--modalities=[mfcc]", "--fusion=concat")

    def save(*args, **kwargs):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(CheckpointError, match=r"save could not be .*Writer.* MB are free there"):
        job.train()
    assert not list((job.output_folder / "save").iterdir())


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.distributed.DistNetworkError])
def test_an_error_of_a_gpu_or_the_network_is_not_one_of_the_disk(start, monkeypatch, kind):
    job = start("--modalities=[mfcc]", "--fusion=concat")

    def save(*args, **kwargs):
        raise kind("gone")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(kind, match="gone"):
        job.train()
    assert not list((job.output_folder / "save").iterdir())


def test_a_log_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    handler = logging.FileHandler(tmp_path / "log.txt")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    resource_errors.raise_on_log_failure()
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
    told = "a batch of 16 .* smaller --batch_size and a larger --grad_accumulation_factor"
    with pytest.raises(resource_errors.BatchOutOfMemoryError, match=told):
        job.train()
    again = start("--eval_batch_size=8")
    monkeypatch.setattr(again.brain, "_embed", lambda batch: np.empty(1 << 45))
    monkeypatch.setattr(again.brain, "fit_batch", lambda batch: 0.0)
    with pytest.raises(
        resource_errors.BatchOutOfMemoryError, match=r"to score; give --eval_batch_size=4"
    ):
        again.train()


def test_a_batch_beyond_what_a_gpu_counts_is_refused_with_the_accumulation_that_does(start, export):
    assert (
        Wav2Vec2(config={"model_type": "wav2vec2", "num_hidden_layers": 1}).max_segments(48000)
        == 436
    )
    most = start().hparams["embedding_model"].max_segments()
    given = f"--batch_size={4 * most // 2}"
    with pytest.raises(
        ValueError, match=rf"^batch_size is .* at most {most} segments at once\. .* --grad_acc"
    ):
        start(given, folder="large")
    with pytest.raises(
        ValueError, match=f"eval_batch_size is {most + 1}; .* at most {most} segments"
    ):
        start(f"--eval_batch_size={most + 1}", folder="large")
    start(given, "--encoders={wav2vec2: {freeze: all}}", folder="kept")  # computed 32 at a time
    with pytest.raises(
        ValueError, match=f"batch_size is {most + 1}; this model takes at most {most}"
    ):
        EmotionClassifier.from_pretrained(export, batch_size=most + 1, engine="torch")


def test_no_memory_to_classify_says_which_batch_would_do(monkeypatch, wave_path):
    def classify(*given):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    loader = "camser.inference.graph_recognizer.load_recognizer"
    monkeypatch.setattr(loader, lambda *given: None)
    monkeypatch.setattr("camser.cli.classify.classify", classify)
    with pytest.raises(SystemExit) as ended:
        cli.main(["classify", str(wave_path), "--model=a", "--batch-size=8"])
    assert ended.value.code == "camser: no memory for 8 segments at once; give --batch-size=4"


def test_a_full_disk_leaves_no_part_of_a_checkpoint(start, monkeypatch):
    job = start()
    monkeypatch.setattr("camser.training.checkpoints.fsync_path", no_room)
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
from camser.runtime.exit import tolerate_broken_pipe
from camser.runtime.signals import SIGNALS, exit_status
SIGNALS.install()
tolerate_broken_pipe()
with SIGNALS.defer():
    os.kill(os.getpid(), signal.SIGINT)
    for stream in (sys.stdout, sys.stderr):
        print("told to nobody", file=stream, flush=True)
open(sys.argv[1], "w").write("saved")
sys.exit(exit_status(SIGNALS.received))
"""


def test_what_is_said_to_nobody_ends_no_work(tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", OUTLASTS, tmp_path / "checkpoint"]
    ended = subprocess.run(command, stdout=write, stderr=write)
    os.close(write)
    assert ended.returncode == 130 and (tmp_path / "checkpoint").read_text() == "saved"


@pytest.mark.parametrize("encoding, letter", [("utf-8", "ä"), ("ascii", "\\xe4")])
def test_what_is_said_arrives_in_order_while_somebody_reads(encoding, letter):
    text = (
        "from camser.runtime.exit import tolerate_broken_pipe as o; o(); print('ä'); import sys; "
    )
    text += "print('b', file=sys.stderr); print('c', flush=True); sys.exit('d')"
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True,
        encoding="utf-8", env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (ended.stdout, ended.stderr, ended.returncode) == (f"{letter}\nc\n", "b\nd\n", 1)
