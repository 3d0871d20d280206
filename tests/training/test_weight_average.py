"""Averaged weights: which they are, and that they are validated, tested, exported and resumed."""

import pytest
import torch
from torch import nn

from camser.evaluation import results
from camser.export.export_run import export_run
from camser.export.trained_run import read_run
from camser.training.weight_average import WeightAverage
from tests.helpers.same_run import NOISY, same, weights

FAST = ("--modalities=[mfcc]", "--fusion=concat", "--learning_rate=0.01", "--number_of_epochs=4")
AVERAGED = (*FAST, "--average_from_epoch=2")


def end_of_epochs(job):
    """The weights that a run has at the ends of its epochs, which it collects while it trains."""
    collected, end_epoch = {}, job.brain._end_epoch

    def record(epoch, scores):
        end_epoch(epoch, scores)
        collected[epoch] = weights(job)

    job.brain._end_epoch = record
    return collected


def mean(states):
    return {name: torch.stack([s[name].double() for s in states]).mean(0) for name in states[0]}


def assert_close(one, other):
    for name in other:
        torch.testing.assert_close(one[name].double(), other[name].double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("selection", [pytest.param("none", marks=pytest.mark.slow), "held_out"])
def test_the_mean_from_an_epoch_on_is_tested_and_exported(start, tmp_path, selection, capsys):
    job = start(*AVERAGED, f"--selection={selection}", "--encoders={mfcc: {standardize: true}}")
    collected = end_of_epochs(job)
    job.train()
    assert same(weights(job), collected[4])  # training goes on from its own weights
    job.test()
    best = job.brain.best_epoch
    assert best == 4 if selection == "none" else best >= 2
    assert_close(weights(job), mean([collected[epoch] for epoch in range(2, best + 1)]))
    written = results.read_results(job.output_folder / results.RESULTS)
    assert written["averaged_epochs"] == [2, best]
    assert f"(weights averaged over epochs 2 … {best})" in capsys.readouterr().out
    exported = read_run(job.output_folder).modules
    for name, module in exported.items():
        own = {f"{name}.{key}": value for key, value in module.state_dict().items()}
        assert same(own, {k: v for k, v in weights(job).items() if k.startswith(f"{name}.")})
    export_run(job.output_folder, tmp_path / "export")
    card = (tmp_path / "export/README.md").read_text()
    assert f"| weights | averaged over epochs 2 … {best} |" in card


def test_what_is_validated_is_the_mean_and_training_does_not_depend_on_it(run):
    plain, averaged = run(*FAST, folder="plain"), run(*AVERAGED, folder="averaged")
    losses, valid = (
        [[float(row[name]) for row in results.read_history(job.output_folder)] for job in
         (plain, averaged)] for name in ("train_loss", "valid_loss")
    )  # fmt: skip
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert valid[0][:2] == valid[1][:2]  # the mean of one epoch is that epoch
    assert valid[0][2] != valid[1][2] and valid[0][3] != valid[1][3]


@pytest.mark.slow
def test_a_run_cut_off_in_mid_epoch_goes_on_to_the_same_mean(run, start):
    settings = [*NOISY[1:], "--number_of_epochs=3", "--average_from_epoch=1", "--selection=none"]
    whole = weights(run(*settings, folder="whole"))
    job = start(*settings)
    fit_batch = job.brain.fit_batch

    def fit(batch):
        if job.hparams["epoch_counter"].current == 3 and job.brain.step == 4:
            raise KeyboardInterrupt
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(KeyboardInterrupt):
        job.train()
    assert len(results.read_history(job.output_folder)) == 2
    assert same(weights(run(*settings)), whole)


def test_no_run_stops_before_its_first_average(run):
    job = run(*FAST, "--average_from_epoch=4", "--patience=1", "--learning_rates={head: 0.0}")
    assert len(results.read_history(job.output_folder)) == 4 == job.brain.best_epoch


def test_an_average_that_begins_after_the_last_epoch_is_an_error(start):
    with pytest.raises(ValueError, match="average_from_epoch is 9, but there are 4 epochs; "):
        start(*FAST, "--average_from_epoch=9")


def test_running_statistics_are_averaged_frozen_weights_are_not_copied():
    model = nn.Sequential(nn.Linear(3, 2).requires_grad_(False), nn.BatchNorm1d(2))
    average = WeightAverage({"model": model}, first_epoch=1)
    assert not any(name.startswith("model.0.") for name in average.tensors)
    means = []
    for epoch in (1, 2, 3):
        model(torch.randn(8, 3))
        average.add(epoch)
        means.append(model[1].running_mean.clone())
    average.swap()
    torch.testing.assert_close(model[1].running_mean, torch.stack(means).mean(0))
    assert model[1].num_batches_tracked.item() == 3
