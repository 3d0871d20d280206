"""SIGINT and SIGTERM: where a run ends for them, what it saves, how it goes on."""

import os
import re
import signal
import threading

import pytest
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

from camser.evaluation import results
from camser.runtime import signals
from camser.runtime.signals import SIGNALS, SignalState
from camser.training import determinism
from tests.helpers.same_run import NOISY, same, weights

CHEAP = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8"]


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outside_of_training_a_signal_ends_at_once(listening, number, status):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == status


def test_while_others_are_waited_for_the_system_ends_a_process(listening):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    SIGNALS.uninstall()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    SIGNALS.install()
    assert signal.getsignal(signal.SIGTERM) == SIGNALS._receive


def test_one_ctrl_c_that_arrives_twice_is_one(listening, monkeypatch):
    killed = []
    with SIGNALS.defer():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert SIGNALS.received == signal.SIGINT
        monkeypatch.setattr(signals, "SAME_WITHIN", 0.0)
        kill = os.kill
        monkeypatch.setattr(signals.os, "kill", lambda pid, number: killed.append(number))
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
        pytest.param(
            ("evaluate_batch", 1),
            signal.SIGINT,
            r"SIGINT: saved \S+ \(epoch 1, its end\)",
            marks=pytest.mark.slow,
        ),
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
    SIGNALS.install()
    resumed = run(*settings)
    assert same(weights(resumed), undisturbed)
    written = results.read_results(resumed.output_folder / "results.json")
    assert (
        written["skipped_steps"] == 0
        and written["determinism"] == determinism.determinism_settings()
    )


def lose_worker(job, monkeypatch, step, epoch, error):
    """After a step, the main process and the loader's worker are told to end."""
    brain, next_data = job.brain, _SingleProcessDataLoaderIter._next_data

    def wait_for_batch(loader):
        place = brain.step, brain.hparams.epoch_counter.current
        if place != (step, epoch) or not brain.modules.training:
            return next_data(loader)
        SIGNALS.received = signal.SIGTERM
        brain._lost_workers = lambda: ["SIGTERM"]
        raise error

    monkeypatch.setattr(_SingleProcessDataLoaderIter, "_next_data", wait_for_batch)


@pytest.mark.parametrize(
    "factor, step, epoch, error, saved",
    [
        (1, 0, 1, RuntimeError("a worker exited"), None),
        (1, 0, 2, RuntimeError("a worker exited"), "epoch 1, its end"),
        (1, 3, 1, EOFError(), "epoch 1, step 3 of 7"),
        (2, 3, 1, EOFError(), None),
    ],
)
def test_a_run_whose_workers_end_too_saves_the_last_complete_step(
    start, run, listening, capsys, monkeypatch, factor, step, epoch, error, saved
):
    settings = [*CHEAP, "--number_of_epochs=2", f"--grad_accumulation_factor={factor}"]
    undisturbed = weights(run(*settings, folder="undisturbed"))
    job = start(*settings)
    lose_worker(job, monkeypatch, step, epoch, error)
    with pytest.raises(SystemExit) as ended:
        job.train()
    monkeypatch.undo()
    SIGNALS.forget()
    assert ended.value.code == 128 + signal.SIGTERM
    there = [path.name for path in (job.output_folder / "save").iterdir()]
    assert len(there) == (saved is not None), there
    assert ("step 3" in capsys.readouterr().err) == (saved is not None and "step" in saved)
    assert same(weights(run(*settings)), undisturbed)


def test_another_thread_than_the_main_one_keeps_the_programs_handlers():
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=SignalState().install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
