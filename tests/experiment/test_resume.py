"""Resuming: a run that was cut off ends as if it had not been, and goes on as no other run."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from camser.config.settings import SettingsError
from camser.data.prepare import prepare
from camser.evaluation import results
from camser.training.checkpoints import CheckpointError
from tests.helpers.recipe_runs import ROOT, TINY
from tests.helpers.same_run import NOISY, same, weights


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def undisturbed(run):
    return weights(run(*NOISY, folder="undisturbed"))


@pytest.mark.parametrize("step", [7, *(pytest.param(s, marks=pytest.mark.slow) for s in (3, 10))])
def test_a_run_cut_off_in_mid_epoch_goes_on_to_the_same_weights(run, start, undisturbed, step):
    job = start(*NOISY)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == step:
            raise Killed
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(Killed):
        job.train()
    assert len(list((job.output_folder / "save").glob("CKPT*"))) >= 1
    resumed = run(*NOISY)
    assert same(weights(resumed), undisturbed)
    assert [r["epoch"] for r in results.read_history(resumed.output_folder)] == ["1", "2"]


@pytest.mark.slow
def test_an_epochs_seconds_are_those_before_it_was_cut_off_too(start, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("camser.training.trainer.time", clock)

    def trained(job, killed_at=None):
        fit_batch, steps = job.brain.fit_batch, []

        def fit(batch):
            steps.append(batch)
            if len(steps) == killed_at:
                raise Killed
            clock.now += 10
            return fit_batch(batch)

        job.brain.fit_batch = fit
        job.train()
        return [float(r["seconds"]) for r in results.read_history(job.output_folder)]

    undisturbed = trained(start(*NOISY, folder="undisturbed"))
    with pytest.raises(Killed):
        trained(start(*NOISY), killed_at=4)
    clock.now += 1000  # nobody works
    assert trained(start(*NOISY)) == undisturbed and min(undisturbed) > 40


def test_a_run_cut_off_while_it_saves_goes_on_to_the_same_weights(run, start, undisturbed):
    job = start(*NOISY)
    saves = []

    def save(checkpointer, *args):
        saves.append(1)
        if len(saves) == 3:
            raise Killed

    job.brain.checkpointer.add_recoverable(
        "trap", saves, custom_save_hook=save, custom_load_hook=save
    )
    with pytest.raises(Killed):
        job.train()
    assert list((job.output_folder / "save").glob("partial-*"))
    resumed = run(*NOISY)
    assert same(weights(resumed), undisturbed)
    assert not list((job.output_folder / "save").glob("partial-*"))


def test_a_process_killed_outright_goes_on_to_the_same_weights(
    run, corpus, prepared, tmp_path, undisturbed
):
    command = [
        sys.executable, "recipes/IEMOCAP/train.py", TINY, *NOISY, "--device=cpu", "--noprogressbar",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'run'}",
        f"--prepared_folder={prepared}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run/save").glob("CKPT*")) and time.monotonic() < deadline:
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run/results.json").exists()
    assert same(weights(run(*NOISY)), undisturbed)


def test_early_stopping_survives_a_restart(run):
    settings = ["--number_of_epochs=9", "--learning_rate=0.0", "--patience=2", "--min_epoch=1"]
    ended = run(*settings)
    epochs = results.read_history(ended.output_folder)
    assert len(epochs) == 3  # the first is the best; two more without a better one
    again = run(*settings)
    assert results.read_history(again.output_folder) == epochs


def test_another_run_in_the_same_folder_is_refused(run, start):
    run()
    with pytest.raises(SettingsError, match="other settings:\n  seed: 1234, now 5"):
        start("--seed=5")
    with pytest.raises(SettingsError, match="precision: 'auto', now 'bf16'"):
        start("--precision=bf16")
    with pytest.raises(SettingsError, match=r"embedding_model: .*\[128, 128\].*, now .*\[7, 128\]"):
        start("--embedding_model={hidden_sizes: [7, 128]}")
    start("--eval_precision=fp32", "--grad_accumulation_factor=1")  # the defaults, said aloud
    start("--compiled=false", "--eval_batch_size=7")  # which are no part of what a run is


def test_a_run_does_not_go_on_with_other_data(run, start, monkeypatch):
    run()

    def without_the_last(**settings):
        found = prepare(**settings)
        return found._replace(utterances=found.utterances[:-1])

    monkeypatch.setattr("camser.experiment.run.prepare", without_the_last)
    with pytest.raises(
        SettingsError, match=r"holds a run on other data: its manifest\.csv differs"
    ):
        start()


def test_a_run_goes_on_with_as_many_processes_as_it_had(run, start, monkeypatch):
    run()
    monkeypatch.setattr("camser.training.checkpoints._num_processes", lambda: 2.0)
    with pytest.raises(CheckpointError, match="saved by 1 processes, now there are 2"):
        start("--number_of_epochs=2").train()


def test_a_test_without_a_checkpoint_is_an_error(start):
    job = start()
    job.brain.init_optimizers()
    with pytest.raises(CheckpointError, match="run has no trained epoch to test"):
        job.test()
