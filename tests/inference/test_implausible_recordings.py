"""Predictions say what is implausible about their recordings, and change in nothing else."""

import numpy as np
import pytest
import soundfile
import torch

from camser.audio import AudioError

SILENT = "is silent: every sample is 0"
NO_SPEECH = "holds no speech, as far as a speech detector can tell"
WIDE = "holds 16-bit values as {}, which is read as nearly silent PCM of {} bits; give int16, or"


def test_of_speech_nothing_is_said(classifier, voice, voice_path):
    assert classifier.classify(voice_path).warnings == ()
    assert classifier.timeline(voice_path).warnings == ()
    assert classifier.classify(voice, require_speech=True) == classifier.classify(voice)


def test_every_way_of_giving_a_recording_has_the_same_warnings(classifier, tmp_path):
    silence = np.zeros(20000, np.float32)
    soundfile.write(tmp_path / "a.wav", silence, 16000)
    for recording in (tmp_path / "a.wav", silence, torch.tensor(silence), silence.astype(int)):
        assert classifier.classify(recording).warnings == (SILENT,)
        found = classifier.timeline(recording)
        assert found.warnings == (SILENT,) and not found.speech.any() and found.turns() == []


def test_warnings_of_the_reader_are_the_prediction_s(classifier, voice, tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", np.stack([voice, -voice], axis=1), 16000, subtype="FLOAT")
    cancel, silent = classifier.classify(tmp_path / "a.wav").warnings
    assert "channels cancel" in cancel and silent == SILENT
    assert not caplog.records
    classifier.embed([tmp_path / "a.wav"])  # has nowhere else to say it
    assert "channels cancel" in caplog.text


def test_each_recording_of_many_has_its_own(classifier, voice, wave):
    silence = np.zeros(100000, np.float32)
    found = classifier.classify([voice[:20000], silence, wave, voice])
    assert [p.warnings for p in found] == [(), (SILENT,), (NO_SPEECH,), ()]


@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_16_bit_values_in_wider_integers(classifier, voice, kind):
    pcm = np.round(voice * 32767).astype(np.int16)
    assert classifier.classify(pcm).warnings == ()
    wide = pcm.astype(kind)
    bits = 8 * wide.itemsize
    assert classifier.classify(wide).warnings[0].startswith(WIDE.format(kind, bits))
    assert classifier.classify(torch.from_numpy(wide)).warnings[0].startswith(WIDE[:10])
    assert classifier.classify(wide << (bits - 16)).warnings == ()


def test_without_speech_there_is_an_error_where_it_is_required(classifier, voice, wave):
    silence = np.zeros(100000, np.float32)
    for samples, message in ((silence, SILENT), (wave, NO_SPEECH)):
        with pytest.raises(AudioError, match=f"array 0: {message}"):
            classifier.classify(samples, require_speech=True)
        with pytest.raises(AudioError, match=f"array 0: {message}"):
            classifier.timeline(samples, require_speech=True)
    errors = []
    mixed = [voice[:20000], silence, wave, voice[:50000]]
    options = {"on_error": lambda *error: errors.append(error), "require_speech": True}
    found = list(classifier.stream(mixed, **options))
    assert [p.source for p in found] == ["array 0", "array 3"]
    assert [source for source, _ in errors] == ["array 1", "array 2"]
    alone = classifier.classify(voice[:50000])
    assert found[1].probabilities == pytest.approx(alone.probabilities, abs=1e-5)
