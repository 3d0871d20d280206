"""MFCC statistics against numpy and torchaudio, with and without padding."""

import numpy as np
import pytest
import torch
import torchaudio

from camser.encoders.mfcc_statistics import MFCCStatistics, deltas, quantiles


@pytest.fixture
def encoder():
    return MFCCStatistics(quantiles=[0.0, 0.25, 0.5, 0.9], num_coefficients=12)


def test_they_are_numpys_of_the_coefficients(encoder, speech):
    found = encoder(speech).reshape(6, 7, 12).numpy()
    frames = encoder.mfcc(speech)
    slopes = torchaudio.functional.compute_deltas(frames.mT, win_length=5).mT.numpy()
    frames = frames.numpy()
    expected = [
        frames.mean(1), frames.std(1), slopes.std(1),
        *(np.quantile(frames, q, axis=1) for q in encoder.quantiles),
    ]  # fmt: skip
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-4, atol=1e-3)
    assert MFCCStatistics()(speech).shape == (6, 1, 200)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_frames_behind_the_counted_ones_change_nothing(count):
    frames, counts = torch.randn(3, 40, 5), torch.tensor([count, 40, count])
    alone = frames[:, :count]
    full = torch.full((3,), count)
    for row in (0, 2):
        one, other = deltas(frames, counts)[row, :count], deltas(alone, full)[row]
        assert torch.equal(one, other)
        found = [q[row] for q in quantiles(frames, counts, [0.1, 0.5, 1.0])]
        expected = torch.quantile(alone[row], torch.tensor([0.1, 0.5, 1.0]), dim=0)
        torch.testing.assert_close(torch.stack(found), expected)


def test_silence_behind_a_segment_does_not_count_where_its_length_is_given(encoder, speech):
    padded = torch.nn.functional.pad(speech, (0, 16000))
    found = encoder(padded, torch.full((6,), 48000))
    torch.testing.assert_close(found, encoder(speech), rtol=1e-3, atol=1e-2)
    assert not torch.allclose(encoder(padded), encoder(speech), atol=1.0)


def test_a_quantile_is_a_share():
    with pytest.raises(ValueError, match=r"quantiles has 25; allowed: 0 to 1"):
        MFCCStatistics(quantiles=[25, 75])
