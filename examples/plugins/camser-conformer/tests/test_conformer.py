"""The encoder passes camser's checks, at every length and pitch of speech."""

import pytest
import torch
import torchaudio
from camser_conformer import Conformer, LogMel

from camser.testing import parametrize_with_checks

SMALL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "ffn_size": 32, "num_mels": 20}


@parametrize_with_checks(Conformer, **SMALL)
def test_conforms(check):
    check()


@pytest.mark.parametrize("num_samples", [1, 159, 160, 639, 640, 641, 47999, 48000, 48001])
def test_frames_come_as_often_as_declared(num_samples):
    encoder = Conformer(**SMALL)
    frames = encoder(torch.randn(2, num_samples))
    assert frames.shape == (2, encoder.num_frames(num_samples), 16)


def test_a_tone_sounds_in_the_band_of_its_pitch():
    pitch = torch.tensor(1000.0)
    tone = torch.sin(2 * torch.pi * pitch * torch.arange(16000) / 16000)
    loudest = int(LogMel(80)(tone[None]).mean(dim=1).argmax())
    filters = torchaudio.functional.melscale_fbanks(257, 0, 8000, 80, 16000)
    assert loudest == int(filters[int(pitch / 8000 * 256)].argmax())


def test_twice_the_amplitude_is_the_same_step_everywhere():
    waves = torch.randn(1, 16000) / 10
    step = LogMel(20)(2 * waves) - LogMel(20)(waves)
    torch.testing.assert_close(step, torch.full_like(step, torch.tensor(4.0).log10() / 2))


def test_the_front_end_has_nothing_to_learn_and_is_kept():
    encoder = Conformer(**SMALL)
    assert encoder.is_cacheable and not encoder.is_frozen
    assert not list(encoder.log_mel.parameters())
    assert encoder.cacheable_output(torch.randn(1, 48000)).shape == (1, 301, 20)


def test_what_is_longer_than_the_positions_is_refused():
    encoder = Conformer(**SMALL)
    assert encoder.num_frames(1599999) == 2500
    with pytest.raises(ValueError, match="1600000 samples; allowed: at most 1599999"):
        encoder.num_frames(1600000)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"hidden_size": 15}, "hidden_size is 15; it must be even and a multiple of num_heads"),
        ({"hidden_size": 18, "num_heads": 4}, "hidden_size is 18"),
        ({"kernel_size": 8}, "kernel_size is 8; it must be an odd number"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, told):
    with pytest.raises(ValueError, match=told):
        Conformer(**{**SMALL, **sizes})
