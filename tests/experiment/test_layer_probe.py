"""The layers of an encoder: pooled from one pass as runs pool each, and scored by inner folds."""

import numpy as np
import pytest

from camser.back_ends import BackEnd, LinearClassifier
from camser.data.folds import make_folds
from camser.data.manifest import Utterance
from camser.experiment.layer_probe import build_probe_model, pool_layers, score_layers
from tests.encoders.test_wav2vec2 import checkpoint, tiny
from tests.encoders.test_whisper import whisper_model
from tests.experiment.test_back_end_runs import vectors_of

MASKED = ("--mask_padding=true", "--segment_seconds=null", "--max_segment_seconds=0.9")
CHECKPOINTS = {
    "whisper": lambda folder: whisper_model().save_pretrained(folder),
    "wav2vec2": lambda folder: checkpoint(folder, tiny("hubert", do_stable_layer_norm=True)),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("options", [(), MASKED], ids=["cut", "whole, masked"])
def test_each_layer_is_pooled_as_a_run_with_that_layer_and_encoded_once(
    start, tmp_path, monkeypatch, name, options
):
    CHECKPOINTS[name](tmp_path / "checkpoint")
    table = f"source: {tmp_path / 'checkpoint'}, config: null, freeze: all, pooling: statistics"

    def begin(layer):
        encoders = f"--encoders={{{name}: {{{table}, layer: {layer}}}}}"
        arguments = "--back_end=logistic", f"--modalities=[{name}]", "--cache_features=false"
        return start(*arguments, encoders, *options, folder=f"layer {layer}")

    jobs = [begin(layer) for layer in range(4)]
    split, values = jobs[0].fold.train, jobs[0].settings.values
    model = build_probe_model(name, values["embedding_model"]["!apply:camser.build.build_model"])
    encoded, own = [], type(model.encoders[name]).hidden_states

    def record(self, segments, *real):
        encoded.append(len(segments))
        return own(self, segments, *real)

    monkeypatch.setattr(type(model.encoders[name]), "hidden_states", record)
    layers = pool_layers(model, jobs[0].data, split, values["labels"], batch_size=16)
    assert sum(encoded) == len(jobs[0].data.dataset(split, values["labels"]))
    assert len(layers) == len(jobs)
    for job, vectors in zip(jobs, layers, strict=True):
        np.testing.assert_allclose(vectors, vectors_of(job, split), atol=2e-5)
    assert abs(np.diff(layers, axis=0)).max(axis=(1, 2)).min() > 1e-3  # they differ


class Recorder(BackEnd):
    """Takes the first feature for the class, and keeps the speakers that it was fitted to."""

    def __init__(self):
        self.speakers = []

    def fit(self, vectors, labels, speakers):
        self.speakers.append({*speakers})
        weight = np.array([[-1.0, 0.0], [1.0, 0.0]])
        return LinearClassifier(weight, np.zeros(2), np.array([0.5, 0.0]))


def test_a_layer_is_scored_on_training_speakers_that_it_was_not_fitted_to():
    utterances = [
        Utterance(f"x/{i}", "x", f"{i}.wav", 1.0, f"x/{i // 4}", emotion="ab"[i % 2])
        for i in range(24)
    ]
    fold = make_folds(utterances, "leave_one_speaker_out")[2]
    classes = np.array([u.emotion == "b" for u in utterances], dtype=float)
    good, bad = np.stack([classes, classes], axis=1), np.stack([1 - classes, classes], axis=1)
    back_end = Recorder()
    scores = score_layers(np.stack([bad, good]), utterances, fold, ["a", "b"], back_end, 3)
    assert scores == [{"WA": [0.0] * 3, "UA": [0.0] * 3}, {"WA": [1.0] * 3, "UA": [1.0] * 3}]
    train = {u.speaker for u in fold.train}
    held_out = [train - speakers for speakers in back_end.speakers[::2]]
    assert all(speakers < train for speakers in back_end.speakers)
    assert sorted(s for speakers in held_out for s in speakers) == sorted(train)
