"""The number of epochs that inner folds choose: from what, when, and what becomes of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from camser.config.settings import SettingsError
from camser.data.folds import FoldError
from camser.evaluation import results
from camser.evaluation.report.collect import collect
from camser.experiment.inner_folds import CHOICE, inner_splits
from camser.export.export_run import export_run
from tests.helpers.same_run import same, weights

CHEAP = ("--modalities=[mfcc]", "--fusion=concat", "--learning_rate=0.01", "--selection=none")
INNER = (*CHEAP, "--number_of_epochs=inner_folds", "--num_inner_folds=2", "--max_inner_epochs=3")


@pytest.fixture
def fitted(monkeypatch):
    """The folds and numbers of epochs of all trainings, in order."""
    from camser.experiment.run import Run

    fit, calls = Run._fit, []

    def record(self, brain, fold):
        calls.append((fold, brain.hparams.epoch_counter.limit))
        fit(self, brain, fold)

    monkeypatch.setattr(Run, "_fit", record)
    return calls


def test_the_number_is_the_best_mean_of_the_inner_folds(run, fitted, tmp_path):
    job = run(*INNER)
    (one, other), (whole, number) = fitted[:2], fitted[2]
    assert len(fitted) == 3 and one[1] == other[1] == 3
    choice = json.loads((job.output_folder / CHOICE).read_text())
    assert number == choice["number_of_epochs"] == 1 + int(np.argmax(choice["scores"]))
    assert whole == job.fold
    assert not (job.output_folder / "inner").exists()
    written = results.read_results(job.output_folder / results.RESULTS)
    assert written["epochs"] == written["best_epoch"] == number
    assert written["inner_folds"] == {n: v for n, v in choice.items() if n != "digest"}
    assert written["settings"]["number_of_epochs"] == "inner_folds"
    assert "or chosen by inner folds" in collect([job.output_folder])[0].title
    export_run(job.output_folder, tmp_path / "export")
    card = (tmp_path / "export/README.md").read_text()
    assert "the number of epochs was chosen by 2 inner folds" in card


def test_inner_folds_divide_the_training_speakers_and_no_tested_one_takes_part(start):
    job = start(*INNER)
    train, test = ({u.speaker for u in split} for split in (job.fold.train, job.fold.test))
    validated = set()
    for split in job.inner_splits:
        speakers = [{u.speaker for u in part} for part in (split.train, split.valid)]
        assert not speakers[0] & speakers[1] and speakers[0] | speakers[1] == train
        validated |= speakers[1]
    assert validated == train and not train & test


def test_a_choice_is_made_once_and_the_run_is_that_of_its_number(run, fitted):
    chosen = run(*INNER, "--seed=7")
    number = fitted[2][1]
    fitted.clear()
    again = run(*INNER, "--seed=7")
    assert [limit for _, limit in fitted] == [number]
    plain = run(*CHEAP, "--seed=7", f"--number_of_epochs={number}", folder="plain")
    assert same(weights(chosen), weights(again)) and same(weights(chosen), weights(plain))


@pytest.mark.slow
def test_cut_off_in_an_inner_fold_it_goes_on_to_the_same_choice(run, start, monkeypatch):
    whole = run(*INNER, folder="whole")
    from camser.training.trainer import ResumableBrain

    fit_batch, steps = ResumableBrain.fit_batch, []

    def fit(self, batch):
        steps.append(batch)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return fit_batch(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ResumableBrain, "fit_batch", fit)
        start(*INNER, "--ckpt_interval_steps=1").train()
    assert not (whole.output_folder.parent / "run" / CHOICE).exists()
    resumed = run(*INNER, "--ckpt_interval_steps=1")
    one, other = (json.loads((job.output_folder / CHOICE).read_text()) for job in (whole, resumed))
    assert one["scores"] == other["scores"] and same(weights(whole), weights(resumed))


def test_with_averaged_weights_no_earlier_epoch_is_chosen(run):
    job = run(*INNER, "--average_from_epoch=3")
    written = results.read_results(job.output_folder / results.RESULTS)
    assert written["epochs"] == 3 and written["averaged_epochs"] == [3, 3]


def test_what_does_not_go_together_is_refused(start):
    with pytest.raises(SettingsError, match="with selection held_out a validation split chooses"):
        start("--number_of_epochs=inner_folds")
    with pytest.raises(SettingsError, match="number_of_epochs is 'inner'"):
        start("--number_of_epochs=inner")
    job = start(*INNER)
    alone = tuple(u for u in job.fold.train if u.speaker == job.fold.train[0].speaker)
    with pytest.raises(FoldError, match=r"inner folds of fold 0 \(.*\): speaker_k_fold"):
        inner_splits(replace(job.fold, train=alone), job.settings.values)


def test_a_run_of_a_fixed_number_does_not_become_one_of_inner_folds(run, start):
    run(*CHEAP, "--number_of_epochs=1")
    with pytest.raises(SettingsError, match="number_of_epochs: 1, now 'inner_folds'"):
        start(*INNER)
