"""What is implausible about a recording is said, and nothing about plausible ones."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from camser.audio import AudioError, load
from camser.audio.quality import QualityCheck
from tests.helpers.recipe_runs import ROOT

SHARED = ROOT.parent / "shared"
CASES = Path(os.environ.get("CAMSER_CASES", SHARED / "cases"))
CORPORA = Path(os.environ.get("CAMSER_CORPORA", SHARED / "corpora"))
TIME = np.arange(2 * 16000) / 16000
NOISE = np.random.default_rng(0).normal(0, 0.1, len(TIME))


def tone(hertz):
    return 0.5 * np.sin(2 * np.pi * hertz * TIME)


NOT_SPEECH = {
    "silence": (np.zeros(len(TIME)), ["silent"]),
    "a beep": (tone(1000), ["no speech"]),
    "a low beep": (tone(200), ["no speech"]),
    "a telephone's keys": ((tone(697) + tone(1209)) / 2, ["no speech"]),
    "hum": (tone(50) / 4 + tone(100) / 8, ["no speech"]),
    "noise": (NOISE, ["no speech"]),
    "a constant": (np.full(len(TIME), 0.5), ["no speech"]),
    "a square wave": (np.sign(tone(150)), ["no speech", "clipped"]),
    "dithered silence": (NOISE / 10000, ["no speech", "quiet"]),
    "one sample": (np.full(1, 0.5), ["near-empty"]),
    "a tenth of a second, nearly": (NOISE[:1599], ["near-empty"]),
}


def findings(samples, chunk=16000):
    check = QualityCheck()
    samples = np.asarray(samples, np.float32)
    list(check.watch((samples[i : i + chunk] for i in range(0, len(samples), chunk)), "a.wav"))
    return check.findings()


def kinds(samples, **options):
    return [kind for kind, _ in findings(samples, **options)]


@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("chunk", [1000, 10**6])
def test_what_is_not_speech(name, chunk):
    samples, expected = NOT_SPEECH[name]
    assert kinds(samples, chunk=chunk) == expected


def test_speech_has_no_findings(voice):
    for gain in (1, 0.3, 0.99 / np.abs(voice).max()):
        assert kinds(gain * voice) == []


@pytest.mark.parametrize("rate", [16000, 44100])
def test_clipped_speech(voice, rate, tmp_path):
    """Resampling leaves ripples where the signal was clipped."""
    recorded = soxr.resample(voice, 16000, rate)
    for gain, expected in ((1, []), (8, ["clipped"])):
        clipped = np.clip(gain * recorded / np.abs(recorded).max(), -1, 1)
        soundfile.write(tmp_path / "a.wav", clipped, rate)
        assert kinds(load(tmp_path / "a.wav")) == expected


@pytest.mark.parametrize("full_scale", [2**7, 2**15, 2**31])
def test_integers_that_became_floats(voice, full_scale):
    ((kind, message),) = findings(np.round(voice * full_scale))
    assert kind == "out of range"
    assert message.endswith("samples are floats in [-1, 1]; divide 16-bit ones by 32768")


def test_warnings_of_the_reader_come_first():
    check = QualityCheck()
    check.warn("is cut short")
    check.add(np.zeros(16000, np.float32))
    assert check.warnings == ("is cut short", "is silent: every sample is 0")


def test_speech_can_be_required(voice):
    for samples, message in ((np.zeros(16000), "a.wav: is silent"), (NOISE, "a.wav: holds no sp")):
        watched = QualityCheck(require_speech=True).watch([samples.astype(np.float32)], "a.wav")
        next(watched)
        with pytest.raises(AudioError, match=message):
            next(watched)
    assert len(list(QualityCheck(require_speech=True).watch([voice], "a.wav"))) == 1


def of_file(path):
    check = QualityCheck()
    check.add(load(path, check.warn))
    return check.findings()


@pytest.mark.skipif(not CASES.is_dir(), reason="the files are not there")
@pytest.mark.parametrize("folder", ["16-float-int16-range", "18-silence", "28-silent-corpus-file"])
def test_reported_files(folder):
    for path in (CASES / folder).glob("*.wav"):
        assert of_file(path), path


@pytest.mark.slow
@pytest.mark.skipif(not CORPORA.is_dir(), reason="the files are not there")
@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_of_real_speech_at_most_one_file_in_200_is_implausible(corpus):
    files = [path for path in (CORPORA / corpus).rglob("*") if path.suffix in (".wav", ".flac")]
    assert sum(bool(of_file(path)) for path in files) <= len(files) / 200
