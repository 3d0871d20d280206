"""Steps only where all is finite, and losses that nobody waits for."""

import copy
import logging
import math
from types import SimpleNamespace

import pytest
import torch
from speechbrain import Brain
from torch import nn

from camser.training import nonfinite
from camser.training.nonfinite import LossTracker, NonFiniteError

NO_SCALER = torch.GradScaler("cpu", enabled=False)


def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def train(net, optimizer, batches, max_norm=math.inf):
    flags = []
    for batch in batches:
        nonfinite.backward_or_nan(net(batch).square().mean())
        flags.append(float(nonfinite.clip_and_step([optimizer], NO_SCALER, max_norm)))
    return flags


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_that_is_not_finite_leaves_everything_as_it_was(fused):
    good, bad = torch.randn(5, 3), torch.full((5, 3), math.nan)
    spared, disturbed = model(), model()
    states = []
    for net, batches in ((spared, [good, good]), (disturbed, [good, bad, good])):
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, fused=fused)
        flags = train(net, optimizer, batches)
        assert flags == [float(batch is bad) for batch in batches]
        assert all(p.grad is None for p in net.parameters())
        states.append(optimizer.state_dict()["state"])
    for one, other in zip(spared.parameters(), disturbed.parameters(), strict=True):
        assert torch.equal(one, other)
    for key, values in states[0].items():
        assert all(torch.equal(values[name], states[1][key][name]) for name in values)


def test_a_part_steps_only_with_all_others():
    parts = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    before = copy.deepcopy(parts.state_dict())
    parts[0](torch.ones(1, 1)).sum().backward()
    parts[1](torch.full((1, 1), math.inf)).sum().backward()
    optimizers = [torch.optim.AdamW(p.parameters(), lr=0.1, fused=True) for p in parts]
    assert nonfinite.clip_and_step(optimizers, NO_SCALER, math.inf) == 1
    assert all(torch.equal(before[name], value) for name, value in parts.state_dict().items())


@pytest.mark.parametrize("fused", [True, False])
def test_in_fp16_too_a_part_steps_only_with_all_others(fused):
    parts = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    before = copy.deepcopy(parts.state_dict())
    scaler = torch.GradScaler("cpu", init_scale=2.0)
    nonfinite.backward_or_nan(scaler.scale(parts[0](torch.ones(1, 1)).sum()))
    parts[1](torch.full((1, 1), math.inf)).sum().backward()
    optimizers = [torch.optim.AdamW(p.parameters(), lr=0.1, fused=fused) for p in parts]
    assert nonfinite.clip_and_step(optimizers, scaler, math.inf) == 1
    assert all(torch.equal(before[name], value) for name, value in parts.state_dict().items())
    assert scaler.get_scale() == 1.0, "the scale is halved all the same"


def test_a_loss_that_is_not_finite_has_no_finite_gradient():
    weight = nn.Parameter(torch.ones(3))
    nonfinite.backward_or_nan(weight.sum() + math.inf)  # whose gradient would be 1
    assert weight.grad.isnan().all()


@pytest.mark.parametrize("fused", [True, False])
def test_a_scaler_goes_on_looking_for_its_scale(fused):
    net, scaler = model(), torch.GradScaler("cpu", init_scale=2.0**10)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, fused=fused)
    for batch, scale, moves in ((torch.randn(5, 3), 1024, True), (torch.ones(1) / 0, 512, False)):
        before = copy.deepcopy(net.state_dict())
        nonfinite.backward_or_nan(scaler.scale((net(torch.ones(5, 3)) * batch.mean()).sum()))
        assert nonfinite.clip_and_step([optimizer], scaler, math.inf) == (not moves)
        assert scaler.get_scale() == scale
        assert moves == any(not torch.equal(before[n], p) for n, p in net.state_dict().items())


def test_clipping_bounds_each_optimisers_gradients_and_equals_torchs():
    ours, torchs = model(), model()
    batch = 100 * torch.randn(5, 3)
    optimizers = [torch.optim.SGD(net.parameters(), lr=1.0) for net in (ours, torchs)]
    train(ours, optimizers[0], [batch], max_norm=0.5)
    torchs(batch).square().mean().backward()
    nn.utils.clip_grad_norm_(torchs.parameters(), 0.5)
    optimizers[1].step()
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert torch.allclose(one, other)


def test_the_mean_is_speechbrains_whenever_it_is_looked_at():
    losses = torch.rand(47)
    losses[7] = math.nan
    brain, wanted = SimpleNamespace(step=0), 0.0
    for loss in losses:
        brain.step += 1
        wanted = Brain.update_average(brain, loss, wanted)
    for looks in ({47}, {1, 2, 30, 47}, set(range(1, 48))):
        watch, mean = LossTracker(3, NO_SCALER), 0.0
        for number, loss in enumerate(losses, start=1):
            watch.add(number, [f"u{number}"], loss, torch.tensor(0.0))
            if number in looks:
                mean = watch.fetch(mean)
        assert mean == pytest.approx(wanted, rel=1e-12)


def feed(watch, steps):
    """Each step a pair: losses of its batches, and whether it was skipped."""
    number = 0
    for losses, skipped in steps:
        for position, loss in enumerate(losses, start=1):
            number += 1
            last = position == len(losses)
            flag = torch.tensor(float(skipped)) if last else None
            watch.add(number, [f"u{number}"], torch.tensor(loss), flag)
    return watch.fetch(0.0)


def test_what_is_skipped_is_told_with_its_utterances(caplog):
    with caplog.at_level(logging.WARNING):
        steps = [([1.0, math.nan], True), ([3.0, 2.0], True), ([2.0], False)]
        feed(LossTracker(3, NO_SCALER), steps)
    told = [record.message.rpartition("batch: ")[2] for record in caplog.records]
    assert told == ["u2", "u3, u4"]  # by the loss where that tells, else the whole step


def test_more_in_a_row_than_the_patience_stop_the_run():
    bad, good = ([math.inf], True), ([1.0], False)
    feed(LossTracker(2, NO_SCALER), [bad, bad, good, bad, bad])
    with pytest.raises(
        NonFiniteError, match=r"3 steps in a row, with u3, u4, u5\. Listen to the named"
    ):
        feed(LossTracker(2, NO_SCALER), [bad, good, bad, bad, bad])
    with pytest.raises(NonFiniteError, match=r"u9 and 3 more, which the log names"):
        feed(LossTracker(11, NO_SCALER), [bad] * 12)


GOOD, SKIPPED = ([1.0], False), ([1.0], True)


def test_what_a_scaler_skips_while_it_looks_for_its_scale_is_not_counted(caplog):
    watch = LossTracker(0, torch.GradScaler("cpu"))
    feed(watch, [*[SKIPPED] * 16, GOOD, SKIPPED, GOOD, SKIPPED, SKIPPED, GOOD])
    assert watch.skipped == 0 and not caplog.records


def test_gradients_that_are_not_finite_in_fp16_stop_the_run():
    weight, scaler = nn.Parameter(torch.ones(2)), torch.GradScaler("cpu")
    optimizer, watch = torch.optim.SGD([weight], lr=0.1), LossTracker(3, scaler)
    with pytest.raises(NonFiniteError, match=r"fp16 at any scale \(now 5\.0e-01\)"):
        for number in range(1, 99):
            loss = (weight - weight).sqrt().sum() + 1  # finite; its gradient is not
            nonfinite.backward_or_nan(scaler.scale(loss))
            skipped = nonfinite.clip_and_step([optimizer], scaler, math.inf)
            watch.add(number, [f"u{number}"], loss.detach(), skipped)
            watch.fetch(0.0)
    assert torch.equal(weight, torch.ones(2))


def test_a_loss_that_is_not_finite_is_no_search_for_a_scale():
    watch = LossTracker(3, torch.GradScaler("cpu"))
    feed(watch, [([math.nan], True)])
    assert watch.skipped == 1
