"""The encoder passes camser's checks, and gives what openSMILE gives."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import opensmile
import pytest
import torch
from camser_egemaps import LEVELS, EGeMAPS

from camser.testing import checks_of, parametrize_with_checks

NUMBERS = ("sizes", "finite", "batch", "deterministic", "rebuild")  # what the level changes


@parametrize_with_checks(EGeMAPS)
def test_functionals_conform(check):
    check()


@pytest.mark.parametrize("name", NUMBERS)
def test_descriptors_conform(name):
    checks = {check.name: check for check in checks_of(EGeMAPS, level="descriptors")}
    checks[name]()


def voice(num_samples, pitch=140.0):
    """Something with a pitch, harmonics and breath, at a level that rises and falls."""
    time = np.arange(num_samples) / 16000
    phase = 2 * np.pi * np.cumsum(pitch + 20 * np.sin(3 * time)) / 16000
    tones = sum(np.cos(k * phase) / k for k in range(1, 20))
    noise = np.random.default_rng(0).normal(size=num_samples)
    return (0.05 * (tones + 0.1 * noise) * (1.2 + np.sin(9 * time))).astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
def test_frames_are_what_opensmile_gives_for_the_recording(level):
    wave = voice(24000)
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, LEVELS[level])
    wanted = smile.process_signal(wave, 16000).to_numpy()
    np.testing.assert_array_equal(EGeMAPS(level)(torch.tensor(wave)[None])[0].numpy(), wanted)
    assert wanted.std() > 1  # a pitch was found, and formants


def test_the_silence_that_fills_a_segment_up_is_no_part_of_its_functionals():
    wave = torch.tensor(voice(20000))[None]
    filled = torch.nn.functional.pad(wave, (0, 28000))
    torch.testing.assert_close(EGeMAPS()(filled), EGeMAPS()(wave), rtol=0, atol=0)


@pytest.mark.parametrize("num_samples", [960, 961, 1119, 1120, 1121, 15999, 16000, 48159, 48160])
def test_descriptors_come_as_often_as_declared(num_samples):
    encoder = EGeMAPS("descriptors")
    frames = encoder(torch.tensor(voice(num_samples))[None])
    assert frames.shape == (1, encoder.num_frames(num_samples), 25)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_shorter_than_a_window_is_refused(level):
    for call in (EGeMAPS(level).num_frames, lambda n: EGeMAPS(level)(torch.zeros(1, n))):
        with pytest.raises(ValueError, match="a segment of 959 samples; eGeMAPS needs 960"):
            call(959)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="'lld'; allowed: functionals, descriptors"):
        EGeMAPS(level="lld")


def test_a_peak_at_full_scale_stays_a_peak():
    wave = torch.tensor(voice(16000))[None]
    wave = wave / wave.max()
    just_below = wave.clamp(max=1 - 2**-15)
    torch.testing.assert_close(EGeMAPS()(wave), EGeMAPS()(just_below), rtol=0, atol=0)


def test_threads_and_copies_give_the_same():
    encoder = EGeMAPS()
    waves = [torch.tensor(voice(16000, pitch))[None] for pitch in (90.0, 120.0, 180.0, 250.0)]
    wanted = [encoder(wave) for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder, waves))
    copy = pickle.loads(pickle.dumps(encoder))
    assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
    assert torch.equal(copy(waves[0]), wanted[0])


def test_a_corpus_is_computed_once():
    assert EGeMAPS().is_frozen
