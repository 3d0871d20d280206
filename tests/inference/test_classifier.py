"""EmotionClassifier on what applications have: files, arrays, long recordings, and nonsense."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import soundfile
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

import camser
from camser.audio import AudioError
from camser.inference import EmotionClassifier, Prediction
from camser.segments import split_into_segments


def close(a, b, tolerance=1e-6):
    return torch.testing.assert_close(
        torch.as_tensor(a), torch.as_tensor(b), atol=tolerance, rtol=0
    )


# What a recording may be ----------------------------------------------------------------------


def test_one_recording_gives_one_prediction_and_several_a_list(classifier, wave_path, wave):
    one = classifier.classify(wave_path)
    assert one.source == str(wave_path) and one.seconds == 10.5
    assert one.emotion == max(one.probabilities, key=one.probabilities.get)
    assert one.confidence == max(one.probabilities.values())
    assert sum(one.probabilities.values()) == pytest.approx(1)
    assert list(one.probabilities) == classifier.labels
    several = classifier.classify([str(wave_path), wave, torch.tensor(wave)])
    assert [p.source for p in several] == [str(wave_path), "array 1", "array 2"]
    assert {p.emotion for p in several} == {one.emotion}
    assert classifier.classify([]) == []


def test_a_prediction_is_written_with_names(classifier, wave_path):
    found = classifier.classify(wave_path)
    assert Prediction(**json.loads(json.dumps(found.to_dict()))) == replace(
        found, warnings=list(found.warnings)
    )
    app = FastAPI()  # hands dataclasses over by their names, too
    app.get("/")(lambda: found)
    assert TestClient(app).get("/").json() == found.to_dict()
    with pytest.raises(FrozenInstanceError):
        found.emotion = "sad"


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_files_of_any_kind(classifier, wave, tmp_path, suffix, rate):
    path = tmp_path / f"a.{suffix}"
    stereo = np.stack([wave, np.zeros_like(wave)], axis=1)[: 2 * rate]
    soundfile.write(path, stereo, rate)
    assert classifier.classify(path).seconds == pytest.approx(2 * rate / rate, abs=0.1)


def test_arrays_in_any_form(classifier, wave):
    plain = classifier.log_probabilities([wave])
    stereo = np.stack([wave, wave], axis=1)
    close(classifier.log_probabilities([stereo]), plain)
    close(classifier.log_probabilities([torch.tensor(stereo).double()]), plain)
    pcm = (wave * 32768).round().astype(np.int16)
    close(classifier.log_probabilities([pcm]), plain, 1e-3)
    unsigned = (wave * 128 + 128).round().clip(0, 255).astype(np.uint8)
    as_floats = (unsigned.astype(np.float32) - 128) / 128
    close(classifier.log_probabilities([unsigned]), classifier.log_probabilities([as_floats]))


def test_an_array_of_another_rate_is_resampled_as_a_file_is(classifier, wave, tmp_path):
    soundfile.write(tmp_path / "a.wav", wave, 22050, subtype="FLOAT")
    from_file = classifier.log_probabilities([tmp_path / "a.wav"])
    close(classifier.log_probabilities([wave], sample_rate=22050), from_file)


def test_speechbrains_methods_take_paths_too(classifier, wave_path):
    scores, _, _, labels = classifier.classify_file(wave_path)
    close(scores, classifier.log_probabilities([wave_path]), 1e-5)
    assert labels == [classifier.classify(wave_path).emotion]


def test_what_else_is_in_the_batch_does_not_matter(classifier, wave):
    parts = [wave[:5000], wave, wave[:100000], wave[3:3000]]
    together = classifier.embed(parts)
    close(together, torch.cat([classifier.embed([part]) for part in parts]), 1e-5)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "array 0: holds no samples"),
        (np.array([0.1, np.nan], np.float32), "array 0: holds NaN"),
        (np.array([np.inf], np.float32), "array 0: holds NaN or infinite"),
        (np.zeros((65, 16000), np.float32), r"array 0 has the shape \[65, 16000\]; allowed"),
        (np.zeros((1, 1, 1), np.float32), r"array 0 has the shape"),
        (np.array(["a"]), "array 0 holds <U1; allowed: floats"),
        (np.zeros(9, complex), "array 0 holds complex128"),
    ],
)
def test_arrays_that_are_no_recordings(classifier, samples, message):
    with pytest.raises(AudioError, match=message):
        classifier.classify(samples)
    with pytest.raises(AudioError, match="array 0 is a list; give a path, an open file"):
        classifier.classify([[0.1, 0.2]])
    with pytest.raises(AudioError, match="sampled at 4000 Hz; allowed: 8000"):
        classifier.classify(np.zeros(9000, np.float32), sample_rate=4000)


@pytest.mark.parametrize("length", [1, 2, 399, 47999, 48001])
@pytest.mark.parametrize("level", [0.0, 1e-9, 1.0])
def test_silence_and_single_samples_are_classified(classifier, length, level):
    found = classifier.classify(np.full(length, level, np.float32))
    assert found.emotion in classifier.labels
    assert np.isfinite(list(found.probabilities.values())).all()


def test_a_bad_file_is_raised_or_told_and_left_out(classifier, wave_path, tmp_path):
    bad, cut = tmp_path / "bad.wav", tmp_path / "cut.wav"
    bad.write_bytes(b"nothing")
    cut.write_bytes(wave_path.read_bytes()[:40])
    mixed = [wave_path, bad, cut, tmp_path / "gone.wav", wave_path]
    with pytest.raises(
        AudioError, match=r"bad\.wav: is no recording in a known format; it begins with b'nothing'"
    ):
        classifier.classify(mixed)
    told = []
    found = list(classifier.stream(mixed, on_error=lambda source, error: told.append(str(error))))
    assert [p.source for p in found] == [str(wave_path)] * 2
    alone = classifier.classify(wave_path)
    for prediction in found:
        # In a batch of another size products add in another order.
        assert prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert ["no recording" in told[0], "is damaged" in told[1], "no such file" in told[2]] == [
        True
    ] * 3


def test_predictions_come_as_soon_as_they_are_known(classifier, wave_path):
    asked = []

    def endless():
        while True:
            asked.append(wave_path)
            yield wave_path

    stream = classifier.stream(endless())
    assert [next(stream).source for _ in range(3)] == [str(wave_path)] * 3
    assert len(asked) <= classifier.batch_size + 3


def test_below_the_threshold_it_abstains(classifier, wave_path):
    sure = classifier.classify(wave_path)
    assert classifier.classify(wave_path, threshold=sure.confidence).emotion == sure.emotion
    unsure = classifier.classify(wave_path, threshold=min(1, sure.confidence + 1e-6))
    assert unsure == replace(sure, emotion=None)
    with pytest.raises(ValueError, match=r"threshold is 1\.5; allowed: 0 … 1"):
        classifier.classify(wave_path, threshold=1.5)


def test_the_weights_of_the_co_attention(classifier, wave, trained):
    weights = classifier.attention(wave)
    assert {name: w.shape for name, w in weights.items()} == {"wav2vec2": (4, 149)}
    model = trained.hparams["embedding_model"]
    cut, _ = split_into_segments(torch.tensor(wave)[None], torch.ones(1), 48000)
    close(weights["wav2vec2"], model.intermediates(cut).attention_weights["wav2vec2"], 1e-5)


@pytest.mark.slow
def test_the_loaded_model_compiles_for_speed(export, wave, classifier):
    compiled = EmotionClassifier.from_pretrained(export, "cpu", compile=True)
    for part in (wave, wave[:60000], wave):
        close(compiled.log_probabilities([part]), classifier.log_probabilities([part]), 1e-4)


def test_the_loaded_model_compiles(export, wave):
    plain = EmotionClassifier.from_pretrained(export, "cpu")
    expected = plain.log_probabilities([wave])
    plain.mods["embedding_model"] = torch.compile(plain.mods["embedding_model"], backend="eager")
    close(plain.log_probabilities([wave]), expected, 1e-5)
    assert plain.attention(wave)["wav2vec2"].shape == (4, 149)


def test_the_package_offers_the_class_when_it_is_asked_for():
    assert camser.EmotionClassifier is EmotionClassifier and "EmotionClassifier" in dir(camser)
    with pytest.raises(AttributeError, match="no attribute 'Emotion'"):
        camser.Emotion  # noqa: B018
