"""The features against their oracles: librosa's, and transformers' own extractors."""

import librosa
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from camser.encoders.front_end import (
    power_spectrum,
    segment_by_segment_on_cpu,
    zero_mean_unit_variance,
)
from camser.encoders.mfcc import MFCC
from camser.encoders.spectrogram import SpectrogramImage
from camser.encoders.whisper import LogMel


@pytest.mark.parametrize("num_samples", [48000, 16000, 20001, 3000])
def test_mfcc_equals_librosa(speech, num_samples):
    waves = speech[:, :num_samples]
    oracle = np.stack(
        [
            librosa.feature.mfcc(y=w, sr=16000, n_mfcc=40, htk=True, hop_length=160)
            for w in waves.numpy()
        ]
    )
    oracle = torch.from_numpy(oracle)[..., : max(1, num_samples // 160)].transpose(1, 2)
    ours = MFCC()(waves)
    # Coefficients are in dB and reach hundreds; 1e-3 is float32 through two transforms.
    assert torch.allclose(ours, oracle, atol=1e-3, rtol=0)
    assert torch.allclose(normalize(ours, dim=2), normalize(oracle, dim=2), atol=1e-5, rtol=0)


def test_mfcc_of_a_segment_does_not_depend_on_its_neighbours(speech):
    loud, quiet = speech[:1], speech[1:2] * 1e-4
    together = MFCC()(torch.cat([loud, quiet]))
    assert torch.allclose(together[1:], MFCC()(quiet), atol=1e-4)


@pytest.mark.parametrize("num_samples", [48000, 8000, 12345])
def test_spectrogram_equals_librosa(speech, num_samples):
    waves, frames = speech[:, :num_samples], num_samples // 160
    for wave, image in zip(waves, SpectrogramImage()(waves), strict=True):
        spectrum = librosa.stft(
            wave.numpy(),
            n_fft=800,
            win_length=640,
            hop_length=160,
            window="hamming",
            pad_mode="constant",
        )
        magnitude = np.abs(spectrum)[:, :frames]
        # 0 dB is the loudest of all 401 bins; then the first 200 are kept.
        oracle = librosa.amplitude_to_db(magnitude, ref=np.max, top_db=80)[:200] / 80 + 1
        # A hundredth of a dB, on a scale of 80.
        assert np.allclose(image.numpy(), oracle[::-1], atol=1e-4, rtol=0)


def test_0_db_is_the_loudest_of_all_bins(speech):
    high = torch.sin(torch.arange(48000) * (2 * torch.pi * 6000 / 16000))
    waves = speech / 10 + high  # 6 kHz is beyond the 200 bins that are kept
    assert SpectrogramImage()(waves).max() < 0.9
    former = SpectrogramImage(reference="kept_bins")(waves)
    assert torch.equal(former.amax(dim=(1, 2)), torch.ones(len(waves)))
    every = SpectrogramImage(num_bins=401)(waves)
    assert every.min() >= 0 and torch.equal(every.amax(dim=(1, 2)), torch.ones(len(waves)))
    assert torch.equal(every[:, 201:], SpectrogramImage()(waves))


def test_full_scale_reference_keeps_the_level(speech):
    image = SpectrogramImage(reference="full_scale")
    louder, softer = image(speech), image(speech / 10)
    unclipped = (softer > 0) & (louder < 1)
    # A tenth of the amplitude is 20 dB less, a quarter of the scale.
    assert torch.allclose((louder - softer)[unclipped], torch.tensor(0.25), atol=1e-5)
    sine = torch.sin(torch.arange(48000) * (2 * torch.pi * 1000 / 16000)).unsqueeze(0)
    assert image(sine).max() == pytest.approx(1.0, abs=1e-3)


def test_an_unknown_reference_is_refused():
    with pytest.raises(ValueError, match="reference is 'utterance'; allowed: segment, full_scale"):
        SpectrogramImage(reference="utterance")


def test_log_mel_equals_whispers_own_extractor(speech):
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor()
    oracle = extractor(
        list(speech.numpy()), sampling_rate=16000, padding=False, return_tensors="pt"
    )
    ours = LogMel(80)(speech)
    assert ours.shape == oracle.input_features.shape
    # The extractor computes in float64; mels far below the maximum differ most.
    assert torch.allclose(ours, oracle.input_features, atol=1e-3)


def test_standardising_equals_wav2vec2s_own_extractor(speech):
    from transformers import Wav2Vec2FeatureExtractor

    oracle = Wav2Vec2FeatureExtractor()(
        list(speech.numpy()), sampling_rate=16000, return_tensors="pt"
    )
    assert torch.allclose(zero_mean_unit_variance(speech), oracle.input_values, atol=1e-5)


@pytest.mark.parametrize("front_end", [MFCC(), SpectrogramImage(), LogMel(80)])
def test_front_ends_stay_in_float32_under_autocast(front_end, speech):
    with torch.autocast("cpu", torch.bfloat16):
        under = front_end(speech)
    assert under.dtype == torch.float32
    assert torch.allclose(under, front_end(speech), atol=1e-5)


@pytest.mark.parametrize("front_end", [MFCC(), SpectrogramImage(), LogMel(80)])
@pytest.mark.parametrize(
    "wave", [torch.zeros(1, 48000), torch.ones(1, 48000)], ids=["silence", "DC"]
)
def test_front_ends_are_finite_on_silence_and_dc(front_end, wave):
    assert front_end(wave).isfinite().all()


def test_silence_is_a_dark_image_and_quiet_speech_is_not(speech):
    assert SpectrogramImage()(torch.zeros(1, 48000)).max() == 0
    # 20 dB below the synthetic voices there is still speech.
    assert torch.allclose(SpectrogramImage()(speech / 10), SpectrogramImage()(speech), atol=1e-3)


def test_a_batch_cut_into_pieces_is_the_batch():
    waves = torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    calls = []

    def front_end(part):
        calls.append(len(part))
        return part.cumsum(1)

    assert torch.equal(segment_by_segment_on_cpu(front_end, waves), waves.cumsum(1))
    assert calls == [1, 1, 1]
    assert segment_by_segment_on_cpu(front_end, waves.to("meta")).shape == (3, 4000)
    assert calls[3:] == [3]  # elsewhere than on a CPU all at once


def test_power_is_the_squared_modulus():
    spectrum = torch.randn(2, 3, 4, dtype=torch.complex64)
    torch.testing.assert_close(power_spectrum(spectrum), spectrum.abs().square())
