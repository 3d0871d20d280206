"""The front ends against librosa, torchaudio and openSMILE."""

from pathlib import Path

import librosa
import numpy as np
import opensmile
import pytest
import torch
import torchaudio
from camser_rivals.encoders.tf_cnn import TFCNN
from camser_rivals.front_ends.descriptors import Descriptors
from camser_rivals.front_ends.functionals import Functionals, functionals
from camser_rivals.front_ends.linear_spectrogram import LinearSpectrogram
from camser_rivals.front_ends.log_mel import LogMel
from camser_rivals.front_ends.pitch import Pitch
from rival_signals import voice

FRONT_ENDS = [LogMel(40, 2), LinearSpectrogram(800, 200), Pitch(), Descriptors(), Functionals()]
IDS = [type(front_end).__name__ for front_end in FRONT_ENDS]
IS09 = Path(opensmile.__file__).parent / "core/config/is09-13/IS09_emotion.conf"


def smile(level, wave):
    """openSMILE's IS09 descriptors ("lld"), their slopes ("lld_de") or functionals ("func")."""
    return opensmile.Smile(str(IS09), level).process_signal(wave, 16000).to_numpy()


def sixteen_bits(wave):
    """As openSMILE reads it, and without samples of exactly 0, which it takes for crossings."""
    counts = (wave * 32768).astype(np.int16)
    counts[counts == 0] = 1
    return counts / np.float32(32768), torch.tensor(counts / np.float32(32767)).unsqueeze(0)


@pytest.mark.parametrize("num_samples", [48000, 16000, 12345])
def test_mel_powers_equal_librosas(num_samples):
    wave = voice(num_samples)
    powers = librosa.feature.melspectrogram(
        y=np.pad(wave, (56, 512)), sr=16000, n_fft=512, hop_length=160, win_length=400,
        window="hamming", center=False, n_mels=40, fmax=8000, htk=True, norm=None,
    )  # fmt: skip
    wanted = torch.tensor(np.log(powers + 1e-6)).T[: num_samples // 160]
    torch.testing.assert_close(LogMel(40)(torch.tensor(wave)[None])[0], wanted, atol=2e-3, rtol=0)


def test_slopes_equal_torchaudios():
    bands, slopes, second = LogMel(26, 2)(torch.tensor(voice(16000))[None]).split(26, dim=2)
    for got, of in ((slopes, bands), (second, slopes)):
        wanted = torchaudio.functional.compute_deltas(of.mT, win_length=5).mT
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("n_fft", "bins", "window", "hop"),
    [(1600, 400, 640, 160), (800, 200, 640, 160), (256, 129, 256, 128)],
)
def test_magnitudes_equal_librosas(n_fft, bins, window, hop):
    wave, before = voice(16000), (n_fft - window) // 2
    wanted = librosa.stft(
        np.pad(wave, (before, n_fft)), n_fft=n_fft, hop_length=hop, win_length=window,
        window="hamming", center=False,
    )  # fmt: skip
    wanted = torch.tensor(np.abs(wanted))[:bins, : 16000 // hop].T
    front_end = LinearSpectrogram(n_fft, bins, window, hop)
    torch.testing.assert_close(front_end(torch.tensor(wave)[None])[0], wanted, atol=1e-4, rtol=0)
    front_end.logarithm = True
    logarithms = front_end(torch.tensor(wave)[None])[0]
    torch.testing.assert_close(logarithms, (wanted**2 + 1e-6).log(), atol=5e-3, rtol=0)


def test_descriptors_equal_opensmiles_but_for_pitch():
    seen_by_smile, wave = sixteen_bits(voice(24000))
    wanted, got = smile("lld", seen_by_smile), Descriptors()(wave)[0].numpy()
    inner = slice(1, 146)  # openSMILE repeats other frames at the ends
    np.testing.assert_allclose(got[inner, :13], wanted[inner, :13], atol=1e-4)
    # It leaves a frame's last sample out, which may be one crossing of 400.
    np.testing.assert_allclose(got[inner, 13], wanted[inner, 13], atol=1.01 / 400)
    slopes = smile("lld_de", seen_by_smile)
    inner = slice(3, 140)
    np.testing.assert_allclose(got[inner, 16:29], slopes[inner, :13], atol=1e-4)


@pytest.mark.parametrize("hertz", [70, 100, 140, 180, 250, 400])
def test_pitch_is_that_of_the_voice(hertz):
    wave, vibrato = torch.tensor(voice(24000, hertz, hertz / 9)).unsqueeze(0), hertz / 9
    voicing, pitch = Pitch()(wave)[0, :147].T
    centers = (160 * torch.arange(147) + 200) / 16000
    wrong = (pitch / (hertz + vibrato * (3 * centers).sin()) - 1).abs()
    # At 400 Hz, one sample more or less is 2.5 %.
    assert (wrong < 0.02).float().mean() > 0.97
    assert voicing.min() > 0.8


@pytest.mark.parametrize("hertz", [140, 180, 250])
def test_pitch_is_opensmiles_where_that_finds_one(hertz):
    seen_by_smile, wave = sixteen_bits(voice(24000, hertz, hertz / 9))
    wanted, (_, got) = smile("lld", seen_by_smile)[:146, 15], Pitch()(wave)[0, :146].T.numpy()
    found = wanted > 0
    assert found.mean() > 0.5
    assert (np.abs(got[found] / wanted[found] - 1) < 0.03).mean() > 0.9


def test_noise_and_silence_have_no_pitch():
    torch.manual_seed(0)
    voicing, pitch = Pitch()(torch.randn(1, 48000) / 10)[0].T
    assert voicing.max() < 0.55 and not pitch.any()
    assert not Pitch()(torch.zeros(1, 16000)).any()


def test_functionals_equal_opensmiles():
    wave, _ = sixteen_bits(voice(24000))
    wanted = smile("func", wave)[0]
    used = 146  # of 149 frames, those that openSMILE has as it computes functionals
    frames = np.concatenate([smile(level, wave)[:used] for level in ("lld", "lld_de")], axis=1)
    windows, counts = torch.tensor(frames)[None, None], torch.tensor([[used]])
    got = functionals(windows, counts)[0, 0].numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)


def test_functionals_of_some_frames_are_those_of_these_alone():
    windows = torch.randn(2, 3, 100, 5)
    counts = torch.tensor([[100, 60, 1], [2, 30, 99]])
    got = functionals(windows, counts)
    for segment in range(2):
        for window in range(3):
            count = int(counts[segment, window])
            own = windows[segment : segment + 1, window : window + 1, :count]
            alone = functionals(own, torch.tensor([[count]]))[0, 0]
            torch.testing.assert_close(got[segment, window], alone, atol=1e-5, rtol=1e-4)
    assert functionals(torch.full((1, 1, 100, 1), 7.0), torch.tensor([[100]])).tolist()[0][0] == [
        7, 7, 0, 0, 0, 7, 0, 7, 0, 0, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=IDS)
def test_frames_of_real_samples_do_not_depend_on_what_follows(front_end):
    wave, count = torch.tensor(voice(48000))[None], torch.tensor([29999])
    followed = torch.where(torch.arange(48000) < count, wave, 0.0)
    alone = front_end(wave[:, :29999])
    got = front_end(followed, count)[:, : front_end.num_frames(29999)]
    assert int(front_end.real_frames(count)) == alone.shape[1] == got.shape[1]
    torch.testing.assert_close(got, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=IDS)
def test_front_ends_stay_in_float32_and_are_finite_on_silence(front_end):
    wave = torch.tensor(voice(16000))[None]
    with torch.autocast("cpu", torch.bfloat16):
        under = front_end(wave)
    torch.testing.assert_close(under, front_end(wave), atol=1e-5, rtol=1e-4)
    for silence in (torch.zeros(1, 16000), torch.full((1, 16000), 0.5)):
        assert front_end(silence).isfinite().all()


def test_a_spectrogram_is_companded_by_mu_law():
    encoder, wave = TFCNN(num_maps=[1, 1, 1, 1, 1]), torch.tensor(voice(32000))[None]
    magnitudes = LinearSpectrogram(1600, 400)(wave)
    wanted = (1 + 255 * magnitudes / magnitudes.max()).log() / torch.tensor(256.0).log()
    torch.testing.assert_close(encoder.front_end(wave), wanted, atol=1e-5, rtol=0)
