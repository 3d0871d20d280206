"""Intervals, tests and calibration equal slow loops and sums done by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from camser.evaluation.bootstrap import bootstrap, bootstrap_difference
from camser.evaluation.metrics import scores
from camser.evaluation.statistics import (
    by_group,
    calibration,
    holm,
    length_groups,
    over_folds,
    paired_folds,
    sign_flip,
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


def test_a_difference_draws_the_same_speakers_for_both():
    rng = np.random.default_rng(0)
    speakers = np.repeat(list("abcdef"), 20)
    labels = rng.integers(0, 2, 120)
    right, wrong = labels, 1 - labels
    half = np.where(np.isin(speakers, list("abc")), right, wrong)
    found = bootstrap_difference((labels, half, speakers), (labels, wrong, speakers), 2, draws=300)
    assert found["WA"] == bootstrap(labels, half, speakers, 2, draws=300)["WA"]  # wrong has 0
    alone = (labels, half, speakers)
    twice = tuple(np.concatenate([part, part]) for part in alone)  # two seeds
    assert bootstrap_difference(alone, twice, 2) == dict.fromkeys(NAMES, (0.0, 0.0))
    fewer = tuple(part[20:] for part in alone)
    assert bootstrap_difference(alone, fewer, 2) == dict.fromkeys(NAMES)


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


def test_fewer_than_five_speakers_have_no_interval():
    case = [0, 1] * 5, [0, 0] * 5, list("aabbccddee")
    assert None not in bootstrap(*case, 2).values()
    for size in (2, 8):
        assert bootstrap(*(part[:size] for part in case), 2) == dict.fromkeys(NAMES)


def two_systems(rng, num_speakers, spread):
    """Labels, two predictions and speakers: equal systems that differ on each speaker alike."""
    speakers = np.repeat(np.arange(num_speakers), 30)
    better = rng.normal(0, spread, num_speakers)[speakers]
    labels = np.ones(len(speakers), dtype=int)
    return labels, *(rng.random(len(speakers)) < 0.7 + s * better for s in (1, -1)), speakers


@pytest.mark.parametrize("seed", range(4))
def test_sign_flip_counts_the_assignments_of_signs(seed):
    labels, one, other, speakers = two_systems(np.random.default_rng(seed), 9, 0.05)
    difference = [int((one[speakers == s].sum()) - other[speakers == s].sum()) for s in range(9)]
    sums = [
        sum(sign * d for sign, d in zip(signs, difference, strict=True))
        for signs in itertools.product((1, -1), repeat=9)
    ]
    found = sign_flip(labels, one, other, speakers)
    assert found["p_value"] == pytest.approx(
        np.mean([abs(s) >= abs(sum(difference)) for s in sums]), abs=ROUNDING
    )
    assert found["only_one"] - found["only_other"] == sum(difference)
    swapped = sign_flip(labels, other, one, speakers)
    assert (swapped["only_one"], swapped["p_value"]) == (found["only_other"], found["p_value"])


def test_sign_flip_by_hand():
    labels, one, other = list("aaaaaa"), list("aaaabc"), list("bbbaba")
    speakers = [1, 1, 2, 2, 2, 3]  # differences 2, 1, -1: |sum| is 2 or more with 6 of 8 signs
    found = sign_flip(labels, one, other, speakers)
    assert found == {"only_one": 3, "only_other": 1, "p_value": 6 / 8}
    assert sign_flip(labels, one, one, speakers)["p_value"] == 1.0
    # Of utterances that are speakers of their own, it is McNemar's exact test.
    alone = sign_flip([1] * 6, [1] * 5 + [0], [0] * 5 + [1], range(6))
    assert alone["p_value"] == pytest.approx(binomtest(5, 6).pvalue)


def test_of_equal_systems_sign_flip_finds_one_in_twenty_different_and_mcnemar_more():
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        labels, one, other, speakers = two_systems(rng, 10, 0.1)
        tested = sign_flip(labels, one, other, speakers)
        pairs = tested["only_one"], tested["only_one"] + tested["only_other"]
        found.append([tested["p_value"] < 0.05, binomtest(*pairs).pvalue < 0.05])
    clustered, mcnemar = np.mean(found, axis=0)
    assert clustered == pytest.approx(0.05, abs=0.02) and mcnemar > 0.15


def test_paired_folds_by_hand():
    found = paired_folds([0.70, 0.66, 0.71, 0.60], [0.68, 0.67, 0.66, 0.60], test_to_train=0.25)
    # Differences 0.02, -0.01, 0.05, 0: mean 0.015, squared deviations sum to 0.0021.
    deviation = math.sqrt(0.0021 / 3)
    t = 0.015 / (deviation * math.sqrt(1 / 4 + 1 / 4))
    assert found == {
        "mean": pytest.approx(0.015),
        "deviation": pytest.approx(deviation),
        "p_value": pytest.approx(2 * student.sf(t, df=3)),
    }


def test_paired_folds_of_independent_data_is_students_sleep_experiment():
    """Student (1908): ten patients, two drugs, t = 4.0621 with 9 degrees of freedom."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_folds(first, second, 0.0)
    assert found["mean"] == pytest.approx(-1.58)
    assert found["p_value"] == pytest.approx(0.002833, abs=5e-7)
    swapped = paired_folds(second, first, 0.0)
    assert swapped["mean"] == -found["mean"] and swapped["p_value"] == found["p_value"]


def test_of_folds_that_share_training_data_the_corrected_test_finds_one_in_twenty_different():
    """The correlation is n_test / (n_test + n_train), as Nadeau and Bengio assume."""
    rng, ratio, found = np.random.default_rng(0), 1 / 9, []
    correlation = ratio / (1 + ratio)
    for _ in range(2000):
        noise, shared = rng.normal(size=10), rng.normal()
        scores = math.sqrt(1 - correlation) * noise + math.sqrt(correlation) * shared
        found.append([paired_folds(scores, np.zeros(10), r)["p_value"] < 0.05 for r in (ratio, 0)])
    corrected, plain = np.mean(found, axis=0)
    assert corrected == pytest.approx(0.05, abs=0.015) and plain > 0.09


def test_paired_folds_where_there_is_no_spread():
    alone = paired_folds([0.5], [0.4], 0.1)
    assert alone["deviation"] is None and alone["p_value"] is None
    assert paired_folds([0.5], [0.5], 0.1)["p_value"] is None
    same = paired_folds([0.5, 0.1 + 0.2], [0.5, 0.3], 0.1)  # 0.1 + 0.2 is not 0.3, but a tie
    assert same["p_value"] == 1.0
    assert paired_folds([0.3, 0.8], [0.2, 0.7], 0.1)["p_value"] is None


def test_holm_is_the_step_down_of_its_paper():
    """At each level the same hypotheses are rejected as by Holm's sequential rule."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 7):
        p_values = rng.random(size).tolist()
        adjusted = holm(p_values)
        for level in (level for level in (*p_values, *adjusted, 0.05, 0.5) if level < 1):
            rejected = set()
            for rank, i in enumerate(np.argsort(p_values)):
                if p_values[i] > level / (size - rank) + ROUNDING:
                    break
                rejected.add(i)
            assert rejected == {i for i, p in enumerate(adjusted) if p <= level + ROUNDING}
    assert holm([None, 0.5]) == [None, 0.5] and holm([]) == []
    assert holm([0.5, 0.6]) == [1.0, 1.0]


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
        (
            lambda: sign_flip([0, 1], [0, 1], [0], [*"ab"]),
            r"\(2,\) labels, \(2,\) one, \(1,\) other",
        ),
        (lambda: sign_flip([], [], [], []), "not empty"),
        (lambda: paired_folds([0.5], [0.5, 0.6], 0.1), r"\(1,\) one, \(2,\) other"),
        (lambda: calibration([0, 0], [[0.0]]), r"\(2,\) labels but \(1,\) predictions"),
        (lambda: calibration([1], [[0.0]]), "a label is 1 … 1; allowed: 0 … 0"),
        (lambda: calibration([0], [[0.5, 0.5]]), "probabilities sum to 3.29744 … .*; allowed: 1"),
        (lambda: by_group([0], [0], ["a", "b"], "a"), r"\(1,\) predictions, \(2,\) groups"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
