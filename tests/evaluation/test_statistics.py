"""Intervals, tests and calibration equal slow loops and sums done by hand."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from camser.evaluation.metrics import scores
from camser.evaluation.statistics import (
    bootstrap,
    by_group,
    calibration,
    length_groups,
    mcnemar,
    over_folds,
    paired_folds,
)

NAMES = ("WA", "UA", "macro_F1")
ROUNDING = 1e-12  # the same sums in another order


def random_case(seed, num_classes=4, num_speakers=6):
    """Labels, predictions and speakers, of one or two classes each, so that draws lack some."""
    rng = np.random.default_rng(seed)
    speakers = np.sort(rng.integers(0, num_speakers, 60))
    labels = (speakers + rng.integers(0, 2, 60) * (speakers % 2)) % rng.integers(2, num_classes + 1)
    guesses = np.where(rng.random(60) < 0.5, labels, rng.integers(0, num_classes, 60))
    return labels.tolist(), guesses.tolist(), [f"corpus/{speaker}" for speaker in speakers]


def test_over_folds_is_the_mean_and_the_sample_deviation():
    mean, deviation = over_folds([0.5, 0.7, 0.9])
    assert mean == pytest.approx(0.7) and deviation == pytest.approx(0.2)
    assert over_folds([0.5]) == (0.5, None)
    assert over_folds([1, 3]) == (2.0, pytest.approx(math.sqrt(2)))


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstrap_is_a_loop_over_the_drawn_speakers(seed):
    labels, guesses, speakers = random_case(seed)
    names = sorted(set(speakers))
    chances = [1 / len(names)] * len(names)
    found, absent = {name: [] for name in NAMES}, set()
    for times in np.random.default_rng(seed).multinomial(len(names), chances, size=25):
        rows = []
        for name, count in zip(names, times, strict=True):
            rows += [i for i, speaker in enumerate(speakers) if speaker == name] * count
        drawn = scores([labels[i] for i in rows], [guesses[i] for i in rows], "abcd")
        for name in NAMES:
            found[name].append(drawn[name])
        absent.add(len(drawn["absent"]))
    assert len(absent) > 1  # or the case does not show that each draw has its own classes
    intervals = bootstrap(labels, guesses, speakers, 4, draws=25, seed=seed)
    assert list(intervals) == list(NAMES)
    for name in NAMES:
        expected = np.percentile(found[name], [2.5, 97.5])
        assert intervals[name] == pytest.approx(tuple(expected), abs=ROUNDING)


def test_the_bootstrap_is_repeatable_and_narrows_with_more_speakers():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2000)
    guesses = np.where(rng.random(2000) < 0.7, labels, (labels + 1) % 3)
    widths = []
    for num_speakers in (10, 100):
        size = 20 * num_speakers
        case = labels[:size], guesses[:size], np.arange(size) // 20, 3
        found = bootstrap(*case)
        assert found == bootstrap(*case) != bootstrap(*case, seed=1)
        for name in NAMES:
            low, high = found[name]
            assert low < scores(*case[:2], "abc")[name] < high
            assert type(low) is type(high) is float
        widths.append(found["WA"][1] - found["WA"][0])
    # Independent utterances: the interval of the normal distribution, 2 x 1.96 standard errors.
    errors = [3.92 * math.sqrt(0.7 * 0.3 / size) for size in (200, 2000)]
    assert widths == pytest.approx(errors, rel=0.25)


def test_utterances_of_one_speaker_that_agree_widen_the_interval():
    right = np.repeat(np.arange(20) < 14, 10).astype(int)  # a speaker is all right or all wrong
    labels = np.ones(200, dtype=int)
    together = bootstrap(labels, right, np.arange(200) // 10, 2)["WA"]
    apart = bootstrap(labels, right, np.arange(200), 2)["WA"]
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_a_single_speaker_has_no_interval():
    assert bootstrap([0, 1], [0, 0], ["a", "a"], 2) == dict.fromkeys(NAMES)


@pytest.mark.parametrize("only_one, only_other", [(5, 1), (1, 5), (3, 3), (0, 8), (0, 0)])
def test_mcnemar_is_the_binomial_sum(only_one, only_other):
    labels = [1] * (only_one + only_other) + [0, 0, 1]
    one = [1] * only_one + [0] * only_other + [0, 1, 2]  # the last: both wrong, in two ways
    other = [0] * only_one + [1] * only_other + [0, 1, 0]
    total, fewer = only_one + only_other, min(only_one, only_other)
    tail = sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total
    assert mcnemar(labels, one, other) == {
        "only_one": only_one,
        "only_other": only_other,
        "p_value": pytest.approx(min(1.0, 2 * tail)),
    }


def test_paired_folds_by_hand():
    found = paired_folds([0.70, 0.66, 0.71, 0.60], [0.68, 0.67, 0.66, 0.60])
    # Differences 0.02, -0.01, 0.05, 0: mean 0.015, squared deviations sum to 0.0021.
    deviation = math.sqrt(0.0021 / 3)
    p_value = 2 * student.sf(0.015 / (deviation / 2), df=3)
    assert found == {
        "mean": pytest.approx(0.015),
        "deviation": pytest.approx(deviation),
        "p_value": pytest.approx(p_value),
        "wins": 2,
        "losses": 1,
        "ties": 1,
    }


def test_paired_folds_is_students_sleep_experiment():
    """Student (1908): ten patients, two drugs, t = 4.0621 with 9 degrees of freedom."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_folds(first, second)
    assert found["mean"] == pytest.approx(-1.58)
    assert found["p_value"] == pytest.approx(0.002833, abs=5e-7)
    assert (found["wins"], found["losses"], found["ties"]) == (0, 9, 1)
    swapped = paired_folds(second, first)
    assert swapped["mean"] == -found["mean"] and swapped["p_value"] == found["p_value"]


def test_paired_folds_where_there_is_no_spread():
    alone = paired_folds([0.5], [0.4])
    assert alone["deviation"] is None and alone["p_value"] is None and alone["wins"] == 1
    assert paired_folds([0.5], [0.5])["p_value"] is None
    same = paired_folds([0.5, 0.1 + 0.2], [0.5, 0.3])  # 0.1 + 0.2 is not 0.3, but a tie
    assert same["p_value"] == 1.0 and same["ties"] == 2
    assert paired_folds([0.3, 0.8], [0.2, 0.7])["p_value"] is None


def test_calibration_by_hand():
    probabilities = [[0.9, 0.1], [0.85, 0.15], [0.3, 0.7], [0.45, 0.55]]
    found = calibration([0, 1, 1, 0], np.log(probabilities), num_bins=4)
    assert found["edges"].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found["count"].tolist() == [0, 0, 2, 2]
    gap = [math.nan, math.nan]
    assert found["confidence"] == pytest.approx([*gap, 0.625, 0.875], nan_ok=True)
    assert found["accuracy"] == pytest.approx([*gap, 0.5, 0.5], nan_ok=True)
    assert found["ece"] == pytest.approx(2 / 4 * 0.125 + 2 / 4 * 0.375)
    assert found["nll"] == pytest.approx(-math.log(0.9 * 0.15 * 0.7 * 0.45) / 4)
    assert found["brier"] == pytest.approx(2 * (0.01 + 0.85**2 + 0.09 + 0.55**2) / 4)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_a_loop_over_the_bins(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.5] * 4, size=50)
    labels = rng.integers(0, 4, 50)
    found = calibration(labels, np.log(probabilities))
    total = 0.0
    for i, (low, high) in enumerate(zip(found["edges"][:-1], found["edges"][1:], strict=True)):
        inside = [r for r in range(50) if low < max(probabilities[r]) <= high]
        assert found["count"][i] == len(inside)
        if inside:
            confidence = np.mean([max(probabilities[r]) for r in inside])
            accuracy = np.mean([np.argmax(probabilities[r]) == labels[r] for r in inside])
            assert found["confidence"][i] == pytest.approx(confidence)
            assert found["accuracy"][i] == pytest.approx(accuracy)
            total += len(inside) / 50 * abs(confidence - accuracy)
        else:
            assert np.isnan(found["confidence"][i]) and np.isnan(found["accuracy"][i])
    assert found["ece"] == pytest.approx(total)
    chosen = [probabilities[r, y] for r, y in enumerate(labels)]
    assert found["nll"] == pytest.approx(-np.mean(np.log(chosen)))
    errors = [(p - (k == y)) ** 2 for row, y in zip(probabilities, labels, strict=True)
              for k, p in enumerate(row)]  # fmt: skip
    assert found["brier"] == pytest.approx(sum(errors) / 50)


def test_calibration_at_its_ends():
    sure = [[0.0, -math.inf], [0.0, -math.inf]]
    right, wrong = calibration([0, 0], sure), calibration([1, 1], sure)
    assert (right["ece"], right["nll"], right["brier"]) == (0.0, 0.0, 0.0)
    assert (wrong["ece"], wrong["nll"], wrong["brier"]) == (1.0, math.inf, 2.0)
    assert right["count"].tolist() == [0] * 9 + [2]
    # An edge belongs to the bin below it.
    assert calibration([0], np.log([[0.5, 0.5]]))["count"].tolist() == [0] * 4 + [1] + [0] * 5


def test_groups_are_scored_alone_in_order_and_the_unnamed_left_out():
    labels, guesses, _ = random_case(0)
    groups = (["male", "", "female"] * 20)[: len(labels)]
    found = by_group(labels, guesses, groups, "abcd")
    assert list(found) == ["female", "male"]
    assert found["male"] == scores(labels[::3], guesses[::3], "abcd")
    assert found["female"] == scores(labels[2::3], guesses[2::3], "abcd")
    assert by_group([0], [0], [""], "a") == {}


def test_length_groups_are_named_by_their_edges():
    expected = ["under 2 s", "2 to 4 s", "2 to 4 s", "4 to 8 s", "8 s and more", "8 s and more"]
    assert length_groups([1.99, 2.0, 3.5, 7.9, 8, 60]) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: over_folds([]), r"\(0,\) values; allowed: .* not empty"),
        (
            lambda: bootstrap([0, 1], [0, 1], ["a"], 2),
            r"\(2,\) predictions, \(1,\) speakers; allow",
        ),
        (lambda: bootstrap([[0]], [[0]], [["a"]], 2), r"\(1, 1\) labels"),
        (lambda: bootstrap([0, 2], [0, 1], ["a", "b"], 2), "a label is 0 … 2; allowed: 0 … 1"),
        (lambda: mcnemar([0, 1], [0, 1], [0]), r"\(2,\) labels, \(2,\) one, \(1,\) other"),
        (lambda: mcnemar([], [], []), "not empty"),
        (lambda: paired_folds([0.5], [0.5, 0.6]), r"\(1,\) one, \(2,\) other"),
        (lambda: calibration([0, 0], [[0.0]]), r"\(2,\) labels but \(1,\) predictions"),
        (lambda: calibration([1], [[0.0]]), "a label is 1 … 1; allowed: 0 … 0"),
        (lambda: calibration([0], [[0.5, 0.5]]), "probabilities sum to 3.29744 … .*; allowed: 1"),
        (lambda: by_group([0], [0], ["a", "b"], "a"), r"\(1,\) predictions, \(2,\) groups"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
