"""Training stops when it should, and a resumed run stops when an uninterrupted one does."""

import math

import pytest
from speechbrain.utils.checkpoints import Checkpointer

from camser.training.early_stopping import EarlyStopping

NAN = math.nan


def epochs_of(counter, scores):
    """The epochs that run; the last score goes on for ever."""
    epochs = []
    for epoch in counter:
        epochs.append(epoch)
        counter.update(scores[min(epoch, len(scores)) - 1])
    return epochs


@pytest.mark.parametrize(
    ("scores", "patience", "min_epoch", "last", "best"),
    [
        ([1], 2, 0, 3, 1),  # a tie is not better
        ([3, 2, 1], 2, 0, 3, 1),
        ([1, 2, 2, 2], 2, 0, 4, 2),
        ([1, 0, 2, 0], 2, 0, 5, 3),  # better just in time
        ([1, 0, 0, 2], 2, 0, 3, 1),  # too late
        ([-3, -2, -1, -5], 1, 0, 4, 3),  # a loss, negated
        ([1], 8, 0, 9, 1),  # the paper's 8 epochs after the best one
        ([1, 1, 2], 8, 0, 11, 3),
        ([1], 8, 5, 13, 1),
        ([1, 1, 1, 1, 1, 1, 2], 8, 5, 15, 7),
        ([1], 2, 5, 7, 1),
        ([1, 1, 1, 1, 2], 2, 5, 7, 5),
        ([1, 1, 1, 1, 1, 2], 2, 5, 8, 6),
        ([1, 1, 1, 1, 1, 1, 1, 2], 2, 5, 7, 1),
        (range(100), 2, 0, 20, 20),  # the limit
        ([1], 50, 0, 20, 1),
        ([NAN], 3, 0, 3, 0),
        ([1, NAN, NAN], 2, 0, 3, 1),
        ([NAN, 1, 0], 2, 0, 4, 2),
    ],
)
def test_training_stops_after_the_epoch(scores, patience, min_epoch, last, best):
    counter = EarlyStopping(20, patience, min_epoch)
    assert epochs_of(counter, scores) == list(range(1, last + 1))
    assert counter.best_epoch == best
    assert list(counter) == []  # once stopped, stopped


def test_update_tells_the_best_epochs():
    counter = EarlyStopping(20, 20)
    scores = [1, 1, 0, 3, NAN, 3, 4]
    assert [counter.update(scores[epoch - 1]) for epoch in counter if epoch <= 7][:7] == [
        True, False, False, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("patience", [0, -1])
def test_a_patience_below_one_is_refused(patience):
    with pytest.raises(ValueError, match=f"patience is {patience}; allowed: 1 and more"):
        EarlyStopping(10, patience)


def run_until(folder, scores, cut=None, mid_epoch=False):
    """A job that resumes from its last checkpoint and may be cut off in the epoch ``cut``."""
    counter = EarlyStopping(20, patience=3, min_epoch=2)
    checkpointer = Checkpointer(folder, {"counter": counter})
    checkpointer.recover_if_possible()
    epochs = []
    for epoch in counter:
        epochs.append(epoch)
        if mid_epoch:
            checkpointer.save_checkpoint(end_of_epoch=False)
        if epoch == cut:
            break
        counter.update(scores[epoch - 1])
        checkpointer.save_checkpoint()
    return epochs, counter


SCORES = [0.1, 0.30000000000000004, 1 / 3, 0.2, 0.1, 0.5, 0.5, 0.4, 0.3, 0.9]


@pytest.mark.parametrize("mid_epoch", [False, True])
@pytest.mark.parametrize("cut", range(1, 10))
def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path, cut, mid_epoch):
    whole, expected = run_until(tmp_path / "whole", SCORES)
    assert whole == list(range(1, 10)) and expected.best_epoch == 6
    before, _ = run_until(tmp_path / "cut", SCORES, cut, mid_epoch)
    after, counter = run_until(tmp_path / "cut", SCORES)
    assert before == list(range(1, cut + 1))
    assert after == list(range(cut, 10))  # the epoch that was cut off is repeated
    for name in ("current", "best_score", "best_epoch", "should_stop"):
        assert getattr(counter, name) == getattr(expected, name)


def test_a_stopped_run_stays_stopped(tmp_path):
    run_until(tmp_path, SCORES)
    epochs, counter = run_until(tmp_path, [9.0] * 20)
    assert epochs == [] and counter.best_score == 0.5


def test_a_state_without_a_score_survives(tmp_path):
    run_until(tmp_path, SCORES, cut=1, mid_epoch=True)
    counter = EarlyStopping(20, patience=3)
    Checkpointer(tmp_path, {"counter": counter}).recover_if_possible()
    assert (counter.current, counter.best_score, counter.best_epoch) == (0, -math.inf, 0)
