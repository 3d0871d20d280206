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
from camser.training.optimizers import scheduled_factor

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
    factors = [scheduled_factor((step + 0.5) / number, 0.25) for step in range(number)]
    assert [rates["head"] for rates in seen] == pytest.approx([0.01 * f for f in factors])
    assert all(rates["mfcc"] == pytest.approx(rates["head"] / 10) for rates in seen)
    assert max(factors) > 0.95 and factors.index(max(factors)) == pytest.approx(number / 4, abs=1)
    assert 0 < factors[-1] < 0.01 < factors[0] < 0.3
    history = results.read_history(job.output_folder)
    assert float(history[-1]["lr_head"]) == pytest.approx(seen[-1]["head"])


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_schedule_may_be_a_rise_or_a_fall_alone(warmup):
    factors = [scheduled_factor((step + 0.5) / 10, warmup) for step in range(10)]
    assert factors == sorted(factors, reverse=not warmup) and 0 < min(factors) < max(factors) < 1


def test_a_schedule_makes_the_number_of_epochs_part_of_what_a_run_is(run, start):
    scheduled = [*CHEAP, "--schedule={warmup: 0.1}"]
    run(*scheduled)
    with pytest.raises(SettingsError, match="number_of_epochs: 1, now 2"):
        start(*scheduled, "--number_of_epochs=2")
    run(*CHEAP, folder="constant")
    longer = run(*CHEAP, "--number_of_epochs=2", folder="constant")
    assert len(results.read_history(longer.output_folder)) == 2


@pytest.mark.parametrize(
    "option, message",
    [
        ("--class_weights=even", "class_weights is 'even'; allowed: null, balanced"),
        ("--schedule={warmpu: 0.1}", "schedule is {'warmpu': 0.1}; it has the unknown key warmpu"),
        ("--schedule={warmup: 2}", r"schedule\.warmup is 2; it must be a number at most 1"),
        ("--schedule=cosine", "schedule is 'cosine'; it must be a table or null"),
        ("--label_smoothing=-1", "label_smoothing is -1; it must be a number at least 0"),
    ],
)
def test_what_is_not_allowed_is_refused(start, option, message):
    with pytest.raises(ValueError, match=message):
        start(*CHEAP, option)
