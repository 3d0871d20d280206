"""Back ends that classify the vectors of a trained model, and classifiers with a hidden layer."""

import json

import numpy as np
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.back_ends.elm import ELM
from camser.build import build_model
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from camser.inference.onnx_session import unavailable_reason
from camser.segments import split_into_segments
from tests.experiment.test_back_end_runs import LOGISTIC, read, scores_of
from tests.export.test_same_scores import SAME, SAME_IN_ONNX
from tests.fusion.test_own_losses import POINTS
from tests.helpers.same_run import same, weights
from tests.training.test_own_losses import SCORES

FROZEN = [setting for setting in LOGISTIC if "back_end" not in setting]
SMALL_ELM = ["--back_end=elm", "--back_ends={elm: {hidden_size: 7, C: 1.0}}"]
TRAINED = [*SCORES, *SMALL_ELM, "--back_end_after_training=true", "--mask_padding=true"]


@pytest.fixture(autouse=True)
def fusions(install):
    install("own-losses", fusions=POINTS)


def vectors_of(job, split):
    """What the fusion gives of each utterance, by a model that is built for class scores."""
    architecture = json.loads((job.output_folder / results.ARCHITECTURE).read_text())
    assert architecture["for_back_end"]
    model = build_model(**{**architecture, "for_back_end": False}).eval()
    model.load_state_dict(job.hparams["embedding_model"].state_dict())
    vectors = []
    for utterance in split:
        wave = job.data.audio.waveform(utterance).unsqueeze(0)
        segments, grid = split_into_segments(wave, torch.ones(1), model.segment_samples)
        with torch.no_grad():
            frames = model.encode(segments, None, grid.lengths)
            masks = model.masks(frames, grid.lengths)
            vectors.append(model.fusion.back_end_vector(frames, masks).mean(dim=0))
    return torch.stack(vectors).double().numpy()


def check_engines(folder, job, corpus):
    """Each engine and SpeechBrain's class decide as the run did."""
    expected, ids = scores_of(job)[0], [u.id for u in job.fold.test]
    by_id = {u.id: u for u in job.utterances}
    paths = [corpus / by_id[name].path for name in ids]
    engines = {"torch": SAME} | ({} if unavailable_reason() else {"onnx": SAME_IN_ONNX})
    for engine, tolerance in engines.items():
        classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
        found = classifier.log_probabilities(paths).numpy()
        np.testing.assert_allclose(found, expected, atol=tolerance)
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths]).numpy()
    np.testing.assert_allclose(found, expected, atol=SAME)


def test_it_is_fitted_to_what_the_trained_fusion_gives(run, corpus, tmp_path):
    job = run(*TRAINED)
    labels = [job.settings.values["labels"].index(u.emotion) for u in job.fold.train]
    train, test = (vectors_of(job, split) for split in (job.fold.train, job.fold.test))
    fitted = ELM(hidden_size=7, C=1.0).fit(train, np.array(labels), [])
    np.testing.assert_allclose(scores_of(job)[0], fitted.log_probabilities(test), atol=1e-4)
    written = read(job)
    assert written["back_end"]["hidden_size"] == 7 and written["back_end"]["after_training"]
    assert (written["best_epoch"], written["epochs"]) == (1, 1)
    folder = export_run(job.output_folder, tmp_path / "export", verified=False, onnx=True)
    config = read_config(folder)
    assert config["head"] == {"hidden_size": 7} and config["architecture"]["for_back_end"]
    card = (folder / "README.md").read_text()
    assert (
        "After training, the classifier was fitted to vectors" in card and "| epoch | 1 of" in card
    )
    check_engines(folder, job, corpus)


def test_training_does_not_depend_on_it_and_it_is_fitted_again_after_an_interruption(run, start):
    plain = run(*SCORES, "--mask_padding=true", folder="plain")
    job = start(*TRAINED)
    job._train_epochs()
    job.brain.on_evaluate_start(max_key="best_score")
    assert same(weights(job), weights(plain))
    again = run(*TRAINED)
    assert scores_of(again)[0].shape == scores_of(plain)[0].shape
    assert not np.allclose(scores_of(again)[0], scores_of(plain)[0], atol=1e-3)


@pytest.mark.slow
def test_a_hidden_layer_in_place_of_training_too(run, corpus, tmp_path):
    job = run(*FROZEN, *SMALL_ELM)
    assert read(job)["parameters"]["head"]["total"] == 7 * (232 + 1) + 4 * (7 + 1)
    folder = export_run(job.output_folder, tmp_path / "export", verified=False, onnx=True)
    check_engines(folder, job, corpus)
    assert same(weights(run(*FROZEN, *SMALL_ELM)), weights(job))
