"""SIGINT and SIGTERM: where a run ends for them, what it saves, how it goes on."""

import os
import re
import signal
import sys
import time

import pytest
from torch.utils.data._utils import signal_handling

from camser.evaluation import results
from camser.runtime import signals
from camser.runtime.signals import SIGNALS
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
    with SIGNALS.default_handlers():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == SIGNALS._receive


def test_a_signal_whose_end_python_ignores_comes_once_more(listening):
    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    SIGNALS.install()  # pytest may have come between
    with pytest.raises(SystemExit) as ended:
        Dying()
        time.sleep(30)
    assert ended.value.code == 143


def test_of_what_python_ignores_a_lost_worker_is_not_told(listening, lost_worker, monkeypatch):
    class Dying:
        def __init__(self, act):
            self.act = act

        def __del__(self):
            self.act()

    def learn():
        raised.append(True)
        signal.raise_signal(signal.SIGCHLD)
        raised.append(False)

    told, raised = [], []
    SIGNALS.install()  # pytest may have come between
    monkeypatch.setattr(SIGNALS, "_told", lambda ignored: told.append(ignored.exc_type))
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    signal_handling._set_SIGCHLD_handler()
    os.waitid(os.P_PID, lost_worker.pid, os.WEXITED | os.WNOWAIT)
    signal_handling._set_worker_pids(1, (lost_worker.pid,))
    Dying(learn)  # PyTorch's own handler raises there
    signal_handling._remove_worker_pids(1)
    Dying(lambda: {}["a mistake of ours"])
    assert told == [KeyError] and raised == [True]


def test_a_worker_leaves_it_to_the_main_process_to_tell_how_all_ends(listening, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *rest: told.append(kind))
    signals.ignore_sigint_in_worker(0)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    for error in (ConnectionResetError(), EOFError(), KeyError()):
        sys.excepthook(type(error), error, None)
    assert told == [KeyError]


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
    SIGNALS.install()
    resumed = run(*settings)
    assert same(weights(resumed), undisturbed)
    written = results.read_results(resumed.output_folder / "results.json")
    assert (
        written["skipped_steps"] == 0
        and written["determinism"] == determinism.determinism_settings()
    )


GONE = RuntimeError("whatever PyTorch calls it")


def lose_worker(job, method, step, epoch, error):
    """Be told, in a method of the brain, to end, and that the loader's worker has ended."""
    inner = getattr(job.brain, method)

    def call(*args, **kwargs):
        if (job.brain.step, job.brain.hparams.epoch_counter.current) == (step, epoch):
            SIGNALS.received = signal.SIGTERM
            job.brain._lost_workers = lambda: ["SIGTERM"]
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
    SIGNALS.forget()
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
