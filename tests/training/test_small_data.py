"""What helps with little and uneven data: class weights, label smoothing, a schedule of rates."""

import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from speechbrain import Stage

from camser.config.settings import SettingsError
from camser.evaluation import results
from camser.training.class_weights import class_weights
from camser.training.schedules import warmup_cosine
from tests.helpers.same_run import same, weights

CHEAP = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8"]


def test_balanced_weights_are_scikit_learns_over_segments(start):
    job = start(*CHEAP, "--class_weights=balanced", "--segment_seconds=0.5")
    job.train()
    dataset = job.brain.datasets[Stage.TRAIN]
    labels = dataset.label.numpy()
    assert len(labels) > len(dataset.labels)  # some utterances have several segments
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    torch.testing.assert_close(job.brain.class_weights, torch.tensor(expected).float())
    assert job.brain.class_weights[labels].mean().item() == pytest.approx(1)


def test_a_class_without_a_segment_does_not_spoil_the_weights_of_the_others():
    found = class_weights("balanced", torch.tensor([0, 2, 2, 2]), 4)
    assert found.tolist() == pytest.approx([2.0, 0.0, 2 / 3, 0.0])


def test_smoothing_and_weights_are_of_the_training_loss_alone(start):
    plain = start(*CHEAP, folder="plain")
    job = start(*CHEAP, "--class_weights=balanced", "--label_smoothing=0.2")
    losses = []
    for one in (plain, job):
        one.hparams["embedding_model"].load_state_dict(
            plain.hparams["embedding_model"].state_dict()
        )
        one.hparams["classifier"].load_state_dict(plain.hparams["classifier"].state_dict())
        one.brain.rates = dict.fromkeys(one.brain.rates, 0.0)
        one.train()
        (row,) = results.read_history(one.output_folder)
        losses.append((float(row["train_loss"]), float(row["valid_loss"])))
    (train, valid), (changed, same_valid) = losses
    assert same_valid == valid and abs(changed - train) > 1e-4


def test_the_loss_is_of_the_smoothed_targets(start):
    job = start(*CHEAP, "--class_weights=balanced", "--label_smoothing=0.2")
    job.brain.on_fit_start = lambda: None
    job.brain.class_weights = torch.tensor([1.0, 2.0, 0.5, 1.0])
    predictions, labels = torch.randn(6, 4).log_softmax(1), torch.tensor([0, 1, 2, 3, 1, 1])
    batch = type("Batch", (), {"label": labels})
    loss, total = 0.0, 0.0
    for row, label in zip(predictions, labels, strict=True):
        for kind, weight in enumerate(job.brain.class_weights):
            target = 0.2 / 4 + (0.8 if kind == label else 0.0)
            loss -= weight * target * row[kind]
        total += job.brain.class_weights[label]
    found = job.brain.compute_objectives(predictions, batch, Stage.TRAIN)
    torch.testing.assert_close(found, loss / total)


def test_rates_rise_and_fall_over_all_steps_and_stay_in_proportion(start):
    settings = ["--learning_rates={head: 0.01}", "--learning_rate=0.001"]
    job = start(
        *CHEAP, *settings, "--schedule={warmup: 0.25}", "--number_of_epochs=3",
        "--grad_accumulation_factor=2",
    )  # fmt: skip
    seen, step = [], job.brain.optimizers_step

    def record():
        skipped = step()
        seen.append({n: o.param_groups[0]["lr"] for n, o in job.brain.optimizers_dict.items()})
        return skipped

    job.brain.optimizers_step = record
    job.train()
    number = 3 * math.ceil(job.brain.num_train_batches / 2)
    assert len(seen) == number >= 12
    factors = [warmup_cosine((step + 0.5) / number, 0.25) for step in range(number)]
    assert [rates["head"] for rates in seen] == pytest.approx([0.01 * f for f in factors])
    assert all(rates["mfcc"] == pytest.approx(rates["head"] / 10) for rates in seen)
    assert max(factors) > 0.95 and factors.index(max(factors)) == pytest.approx(number / 4, abs=1)
    assert 0 < factors[-1] < 0.01 < factors[0] < 0.3
    history = results.read_history(job.output_folder)
    assert float(history[-1]["lr_head"]) == pytest.approx(seen[-1]["head"])


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_schedule_may_be_a_rise_or_a_fall_alone(warmup):
    factors = [warmup_cosine((step + 0.5) / 10, warmup) for step in range(10)]
    assert factors == sorted(factors, reverse=not warmup) and 0 < min(factors) < max(factors) < 1


def test_a_schedule_makes_the_number_of_epochs_part_of_what_a_run_is(run, start):
    scheduled = [*CHEAP, "--schedule={warmup: 0.1}"]
    run(*scheduled)
    with pytest.raises(SettingsError, match="number_of_epochs: 1, now 2"):
        start(*scheduled, "--number_of_epochs=2")
    run(*CHEAP, folder="constant")
    longer = run(*CHEAP, "--number_of_epochs=2", folder="constant")
    assert len(results.read_history(longer.output_folder)) == 2


def recorded_rates(job):
    """The learning rate of the head in the first step of each epoch."""
    seen, step = {}, job.brain.optimizers_step

    def record():
        skipped = step()
        epoch = job.brain.hparams.epoch_counter.current
        seen.setdefault(epoch, job.brain.optimizers_dict["head"].param_groups[0]["lr"])
        return skipped

    job.brain.optimizers_step = record
    return seen


def test_from_each_milestone_on_rates_are_multiplied(start):
    job = start(*CHEAP, "--learning_rate=0.01", "--number_of_epochs=4",
                "--schedule={milestones: [2, 4], factor: 0.5}")  # fmt: skip
    rates = recorded_rates(job)
    job.train()
    assert rates == pytest.approx({1: 0.01, 2: 0.005, 3: 0.005, 4: 0.0025})


def test_newbob_lowers_the_rates_after_each_epoch_that_gains_too_little(start):
    job = start(*CHEAP, "--learning_rate=0.01", "--number_of_epochs=5", "--patience=9",
                "--schedule={newbob: 0.02}")  # fmt: skip
    rates = recorded_rates(job)
    job.train()
    scores = [float(r["valid_WA"]) + float(r["valid_UA"]) for r in job.brain.history]
    expected, best = [0.01, 0.01], scores[0]
    for score in scores[1:-1]:
        expected.append(expected[-1] * (1.0 if score - best >= 0.02 else 0.5))
        best = max(best, score)
    assert list(rates.values()) == pytest.approx(expected)
    assert expected[-1] < 0.01


@pytest.mark.parametrize(
    "schedule",
    [pytest.param("{milestones: [2]}", marks=pytest.mark.slow), "{newbob: 0.1, factor: 0.3}"],
)
def test_with_momentum_and_a_schedule_a_run_goes_on_to_the_same_weights(run, start, schedule):
    sgd = "!name:torch.optim.SGD {momentum: 0.9, nesterov: true, weight_decay: 1.0e-4}"
    settings = [*CHEAP, f"--opt_class={sgd}", "--learning_rate=0.05", f"--schedule={schedule}",
                "--number_of_epochs=3", "--ckpt_interval_steps=1"]  # fmt: skip
    whole = run(*settings, folder="undisturbed")
    job = start(*settings)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == 3 * job.brain.num_train_batches // 2:
            raise KeyboardInterrupt
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(KeyboardInterrupt):
        job.train()
    resumed = run(*settings)
    assert same(weights(resumed), weights(whole))
    rates = [float(row["lr_head"]) for row in results.read_history(resumed.output_folder)]
    assert rates[0] == 0.05 and rates[-1] < 0.05


@pytest.mark.parametrize(
    "option, message",
    [
        ("--class_weights=even", "class_weights is 'even'; allowed: null, balanced"),
        ("--schedule={warmpu: 0.1}", "schedule is {'warmpu': 0.1}; it has the unknown key warmpu"),
        ("--schedule={warmup: 2}", r"schedule\.warmup is 2; it must be a number at most 1"),
        ("--schedule={milestones: [0]}", r"schedule\.milestones\[0\] is 0; it must be a whole n"),
        ("--schedule={factor: 0.5}", "schedule is .*; give exactly one of: warmup, milestones"),
        ("--schedule={warmup: 0.1, newbob: 0}", "give exactly one of: warmup, milestones, newbob"),
        ("--schedule={warmup: 0.1, factor: 0.5}", "a schedule with warmup has no factor"),
        ("--schedule=cosine", "schedule is 'cosine'; it must be a table or null"),
        ("--label_smoothing=-1", "label_smoothing is -1; it must be a number at least 0"),
    ],
)
def test_what_is_not_allowed_is_refused(start, option, message):
    with pytest.raises(ValueError, match=message):
        start(*CHEAP, option)
