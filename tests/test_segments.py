"""Segments cover an utterance exactly, and utterances in a batch do not see each other."""

import math
import random

import librosa
import numpy as np
import pytest
import torch

from camser.audio.windows import iter_windows
from camser.over_segments import MaxOverSegments, MeanOverSegments, over_segments
from camser.segments import num_segments, preemphasize, split_into_segments

SEGMENT = 48000
LONGEST = 20 * 16000
AROUND = [m * SEGMENT + d for m in range(7) for d in (-2, -1, 0, 1, 2) if m * SEGMENT + d > 0]
LENGTHS = sorted({1, 2, 3, 15999, 16000, *AROUND, *range(997, LONGEST, 7919), LONGEST})


def batch(lengths, width=None, beyond=math.nan):
    """Utterances of 1, 2, 3 … (no sample is zero), with ``beyond`` after each one's end."""
    width = width or max(lengths)
    ends = torch.tensor(lengths)
    wavs = torch.arange(1.0, width + 1).repeat(len(lengths), 1)
    wavs[wavs > ends.unsqueeze(1)] = beyond
    return wavs, ends / width


def assert_covers(segments, length, size):
    """Every sample once and in order, then silence, and no segment without a sample."""
    assert segments.shape == (math.ceil(length / size), 1 + size)
    starts = torch.arange(len(segments)) * size  # samples are 1, 2, 3 …: the one before is this
    assert torch.equal(segments[:, 0], starts.to(segments.dtype))
    flat = segments[:, 1:].flatten()
    assert torch.equal(flat[:length], torch.arange(1.0, length + 1))
    assert not flat[length:].any() and len(flat) - length < size


def test_segments_cover_every_sample_once_up_to_20_s():
    for length in LENGTHS:
        segments, (owners, *_) = split_into_segments(*batch([length]), SEGMENT)
        assert_covers(segments, length, SEGMENT)
        assert owners.tolist() == [0] * num_segments(length, SEGMENT)


def test_segments_cover_every_sample_once_at_every_small_length():
    for length in range(1, 201):
        assert_covers(split_into_segments(*batch([length]), 7)[0], length, 7)


def test_a_mixed_batch_equals_one_at_a_time_at_every_small_length_and_width():
    single = {length: split_into_segments(*batch([length]), 7)[0] for length in range(1, 201)}
    for width in range(1, 201):
        lengths = list(range(1, width + 1))
        random.Random(width).shuffle(lengths)
        segments, (owners, *_) = split_into_segments(*batch(lengths), 7)
        assert torch.equal(segments, torch.cat([single[n] for n in lengths]))
        assert owners.tolist() == [i for i, n in enumerate(lengths) for _ in single[n]]


@pytest.mark.parametrize("width", [LONGEST, 6 * SEGMENT + 1])
def test_relative_lengths_lose_no_sample(width):
    lengths = [n for n in LENGTHS if n <= width]
    for first in range(8):  # short and long ones together
        some = lengths[first::8]
        segments, (owners, *_) = split_into_segments(*batch(some, width), SEGMENT)
        for i, length in enumerate(some):
            assert_covers(segments[owners == i], length, SEGMENT)


def test_relative_lengths_lose_no_sample_of_a_long_recording():
    """Beyond 2**24 samples (17.5 minutes) float32 no longer counts them one by one."""
    length = 2**24 + 1
    segments, _ = split_into_segments(
        torch.ones(1, length, dtype=torch.uint8), torch.ones(1), SEGMENT
    )
    assert int(segments[:, 1:].count_nonzero()) == length


def test_what_lies_beyond_the_length_is_ignored():
    lengths = [5, 21, 1, 14]
    for beyond in (math.nan, math.inf, 9.0):
        segments, grid = split_into_segments(*batch(lengths, 30, beyond), 7)
        expected, expected_grid = split_into_segments(*batch(lengths, 21, 0.0), 7)
        assert torch.equal(segments, expected)
        assert all(map(torch.equal, grid, expected_grid))


def test_padding_that_no_utterance_reaches_adds_no_segment():
    segments, (owners, *_) = split_into_segments(torch.ones(2, 9), torch.tensor([3 / 9, 2 / 9]), 3)
    assert segments[:, 1:].tolist() == [[1, 1, 1], [1, 1, 0]] and owners.tolist() == [0, 1]


@pytest.mark.parametrize("size", [4, 9])
def test_segments_are_where_the_recordings_are_whatever_the_default_device_is(size):
    wavs, lens = torch.ones(2, 9), torch.tensor([1.0, 2 / 9])
    with torch.device("meta"):
        segments, (owners, *_) = split_into_segments(wavs, lens, size)
        joined = over_segments(segments, owners, 2)
    assert segments.device == owners.device == joined.device == wavs.device


def test_a_training_batch_passes_unchanged():
    wavs = torch.randn(64, 480)
    segments, (owners, *_) = split_into_segments(wavs, torch.ones(64), 480)
    assert torch.equal(segments[:, 1:], wavs) and not segments[:, 0].any()
    assert owners.tolist() == list(range(64))


def test_num_segments_is_the_least_number_that_holds_the_samples():
    for size in (1, 7, SEGMENT):
        for length in {1, 2, *range(max(1, size - 2), size + 3), 5 * size - 1, 5 * size}:
            found = num_segments(length, size)
            assert (found - 1) * size < length <= found * size


def test_join_is_the_mean_over_each_utterances_segments():
    torch.manual_seed(0)
    for counts in ([1], [3, 1, 4], [1, 1, 1, 1], [2, 60]):
        owners = torch.tensor([i for i, count in enumerate(counts) for _ in range(count)])
        values = torch.randn(len(owners), 5, dtype=torch.float64)
        joined = over_segments(values, owners, len(counts))
        for i in range(len(counts)):
            mean = sum(v for v, owner in zip(values, owners, strict=True) if owner == i) / counts[i]
            torch.testing.assert_close(joined[i], mean)


def test_join_undoes_split_for_what_is_the_same_in_every_segment():
    lengths = [5, 21, 1, 14]
    _, (owners, *_) = split_into_segments(*batch(lengths), 7)
    values = torch.tensor(lengths, dtype=torch.float32)[owners].unsqueeze(1)
    assert over_segments(values, owners, 4).flatten().tolist() == lengths


def test_gradients_reach_every_sample_and_none_beyond():
    lengths = [5, 21, 1, 14]
    wavs, lens = batch(lengths, 23)
    wavs.requires_grad_()
    segments, (owners, *_) = split_into_segments(wavs, lens, 7)
    over_segments(segments[:, 1:], owners, 4).sum().backward()
    expected = torch.zeros(4, 23)
    for row, length in zip(expected, lengths, strict=True):
        row[:length] = 1 / math.ceil(length / 7)
    torch.testing.assert_close(wavs.grad, expected)


def test_gradients_are_those_of_finite_differences():
    wavs = torch.randn(3, 11, dtype=torch.float64, requires_grad=True)
    lens = torch.tensor([1.0, 4 / 11, 8 / 11])
    weights = torch.randn(4, dtype=torch.float64)

    def through(wavs):
        segments, (owners, *_) = split_into_segments(wavs, lens, 4)
        return over_segments((segments[:, 1:] * weights).tanh(), owners, 3)

    assert torch.autograd.gradcheck(through, wavs)


def batch_by_batch(kind):
    """Values of 50 segments in any order, their seven owners, and what these have of them."""
    values, owners = torch.randn(50, 3), torch.randint(0, 7, (50,))
    owners[:7] = torch.arange(7)
    reduced = kind(7)
    for at in torch.randperm(50).split(9):
        reduced.add(values[at], owners[at])
    return values, owners, reduced.values()


def test_means_of_any_batches_are_those_of_one():
    values, owners, means = batch_by_batch(MeanOverSegments)
    assert torch.allclose(means, over_segments(values, owners, 7), atol=1e-6)


def test_bf16_is_summed_in_float32():
    means = MeanOverSegments(1)
    for _ in range(1000):
        means.add(torch.ones(1, 1, dtype=torch.bfloat16), torch.zeros(1, dtype=torch.long))
    assert means.values().item() == 1.0 and means.counts.item() == 1000


def test_a_length_that_rounds_to_no_sample_is_one_sample():
    segments, _ = split_into_segments(torch.ones(1, 10), torch.tensor([1e-9]), 7)
    assert segments.tolist() == [[0.0, 1.0, *[0.0] * 6]]


def test_what_lies_before_the_utterances_may_be_given():
    whole = torch.arange(1.0, 15).repeat(2, 1)
    before = torch.tensor([5.0, 0.0])
    segments, _ = split_into_segments(whole, torch.ones(2), 7, before)
    assert segments[:, 0].tolist() == [5, 7, 0, 7]
    assert torch.equal(segments[2:], split_into_segments(whole[1:], torch.ones(1), 7)[0])


@pytest.mark.parametrize("lengths", [[1], [7, 14, 15], [40, 3, 22]])
def test_preemphasis_of_segments_is_that_of_the_utterance(lengths):
    utterances = [torch.randn(n) for n in lengths]
    wavs = torch.nn.utils.rnn.pad_sequence(utterances, batch_first=True)
    segments, (owners, *_) = split_into_segments(wavs, torch.tensor(lengths) / max(lengths), 7)
    for number, utterance in enumerate(utterances):
        whole = librosa.effects.preemphasis(utterance.numpy(), coef=0.97, zi=[0.0])
        filtered = preemphasize(segments[owners == number], 0.97).flatten()[: len(utterance)]
        np.testing.assert_allclose(filtered.numpy(), whole, atol=1e-6)
    alone = preemphasize(segments, 0.97, over="segment")
    assert torch.equal(alone[:, 0], segments[:, 1])
    assert torch.equal(alone[:, 1:], preemphasize(segments, 0.97)[:, 1:])
    assert torch.equal(preemphasize(segments, 0.0), segments[:, 1:])


# Overlapping segments -----------------------------------------------------------------------


@pytest.mark.parametrize("hop", [1, 3, 6, 7])
def test_overlapping_segments_begin_at_each_hop_until_one_reaches_the_end(hop):
    wave = torch.arange(1.0, 41.0)
    for length in range(1, 41):
        segments, grid = split_into_segments(*batch([length]), 7, hop_samples=hop)
        begins = [0]
        while begins[-1] + 7 < length:
            begins.append(begins[-1] + hop)
        assert len(segments) == num_segments(length, 7, hop) == len(begins)
        assert grid.lengths.tolist() == [min(7, length - begin) for begin in begins]
        chunks = [np.concatenate([[0.0], wave[:length].numpy()]).astype(np.float32)]
        windows = list(iter_windows(chunks, 8, hop))
        assert [len(window) - 1 for window in windows] == grid.lengths.tolist()


def test_overlapping_segments_are_cut_as_a_stream_is():
    wavs, lens = torch.randn(3, 50), torch.tensor([1.0, 0.3, 0.72])
    segments, grid = split_into_segments(wavs, lens, 10, torch.ones(3), 4)
    for number, share in enumerate(lens.tolist()):
        own = torch.cat([torch.ones(1), wavs[number, : round(50 * share)]]).numpy()
        windows = list(iter_windows([own], 11, 4))
        of_utterance = segments[grid.owners == number].numpy()
        for segment, window in zip(of_utterance, windows, strict=True):
            assert np.array_equal(segment[: len(window)], window)
            assert not segment[len(window) :].any()


def test_the_largest_over_segments_comes_batch_by_batch():
    values, owners, largest = batch_by_batch(MaxOverSegments)
    expected = torch.stack([values[owners == n].amax(dim=0) for n in range(7)])
    assert torch.equal(largest, expected)
    assert torch.equal(over_segments(values, owners, 7, "max"), expected)
