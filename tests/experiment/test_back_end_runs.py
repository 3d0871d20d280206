"""Runs with a back end: the same folds, files, report, export and engines as trained heads."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from camser.cli.demo.limits import Limits
from camser.cli.demo.markup import about
from camser.config.settings import SettingsError, read_arguments
from camser.evaluation import results
from camser.evaluation.report.collect import collect
from camser.evaluation.report.write import write_report
from camser.experiment.outputs import summary
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from camser.inference.onnx_session import unavailable_reason
from camser.registry import PluginError
from camser.training.back_end import embeddings
from tests.helpers.same_run import same, weights

LOGISTIC = (
    "--back_end=logistic", "--modalities=[mfcc_statistics, whisper]",
    "--encoders={whisper: {freeze: all, pooling: statistics, standardize: true}}",
)  # fmt: skip


@pytest.fixture
def fitted(run):
    return run(*LOGISTIC)


def read(job):
    return results.read_results(job.output_folder / results.RESULTS)


def scores_of(job, name=results.PREDICTIONS):
    rows = results.read_predictions(job.output_folder / name)
    return results.read_scores(rows, job.settings.values["labels"])


def vectors_of(job, split):
    """The pooled frames of a split, as they are before they are centered."""
    model = job.hparams["embedding_model"]
    center = torch.cat([p.project[-1].center for p in model.fusion.pooled.values()])
    return (embeddings(job.brain, job._batches(split)) + center).numpy()


def test_it_is_scikit_learns_pipeline_on_the_training_split_alone(fitted):
    job, labels = fitted, fitted.settings.values["labels"]
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=5000)
    ).fit(vectors_of(job, job.fold.train), [labels.index(u.emotion) for u in job.fold.train])
    expected = model.predict_log_proba(vectors_of(job, job.fold.test))
    np.testing.assert_allclose(scores_of(job)[0], expected, atol=1e-3)
    assert job.hparams["embedding_model"].embedding_size == 200 + 32


def test_its_files_say_what_was_fitted_and_a_report_takes_them(fitted, run, tmp_path):
    written = read(fitted)
    assert (written["best_epoch"], written["epochs"]) == (0, 0) and written["seconds"] > 0
    assert written["back_end"]["chosen"] == {"C": 0.01}
    assert written["back_end"]["plugin"]["plugin"] == "logistic"
    assert written["settings"]["fusion"] == "pooled" and "co_attention" not in written["settings"]
    assert written["settings"]["back_ends"].keys() == {"logistic"}
    assert written["parameters"]["total"]["trained"] == 4 * (232 + 1)
    assert len(scores_of(fitted, results.VALID_PREDICTIONS)[1]) == len(fitted.fold.valid)
    assert not (fitted.output_folder / results.HISTORY).exists()
    assert summary(fitted.fold, fitted.brain).endswith(" (logistic)")
    run("--modalities=[mfcc]", "--fusion=concat", "--variant=trained", folder="trained")
    sections = collect([tmp_path])
    assert write_report(sections, tmp_path / "report").is_file()
    text = (tmp_path / "report/report.md").read_text()
    assert "mfcc_statistics+whisper (w/o co-att), logistic" in text


def test_its_export_is_a_model_like_any_other(fitted, corpus, tmp_path):
    folder = export_run(fitted.output_folder, tmp_path / "export", onnx=True)
    config = read_config(folder)
    assert config["verified"]["largest_difference"] < 1e-4
    assert set(config["plugins"]) == {"mfcc_statistics", "whisper", "pooled"}
    card = (folder / "README.md").read_text()
    assert "| classifier | logistic of camser" in card and ", C 0.01 |" in card
    assert "The encoders were not trained." in card and "| epoch |" not in card
    assert "not trained on" in card
    page = about(config, Limits())
    assert f"trained on {len(fitted.fold.train)} utterances" in page
    paths = [str(corpus / u.path) for u in fitted.fold.test]
    engines = ["torch"] if unavailable_reason() else ["torch", "onnx"]
    for engine in engines:
        classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
        found = classifier.log_probabilities(paths).numpy()
        np.testing.assert_allclose(found, scores_of(fitted)[0], atol=1e-3)


def test_a_fit_that_was_saved_is_not_repeated(start, run, monkeypatch):
    job = start(*LOGISTIC)
    job.train()
    before = weights(job)

    def fit(*_):
        raise AssertionError("it is fitted already")

    monkeypatch.setattr("camser.back_ends.logistic.Logistic.fit", fit)
    assert same(weights(run(*LOGISTIC)), before)


@pytest.mark.slow
def test_without_a_validation_split_it_fits_on_all_but_the_test(run, tmp_path):
    epochs = "--average_from_epoch=1", "--number_of_epochs=inner_folds"  # it has none
    job = run(*LOGISTIC, "--selection=none", *epochs)
    written = read(job)
    assert written["parts"]["valid"] == 0 and written["averaged_epochs"] is None
    assert "inner_folds" not in written
    assert read_config(export_run(job.output_folder, tmp_path / "export"))


def test_inner_folds_choose_its_regularization(run):
    job = run(*LOGISTIC, "--back_ends={logistic: {C: inner_folds}}")
    chosen = read(job)["back_end"]["chosen"]
    by_c = dict(map(tuple, chosen["inner_log_likelihoods"]))
    assert chosen["C"] == max(by_c, key=by_c.get)


def test_its_stored_recipe_repeats_it_and_reads_as_what_it_builds(fitted, run):
    stored = fitted.output_folder / results.RECIPE
    again = run(folder="again", recipe=stored)
    assert same(weights(fitted), weights(again))
    values = read_arguments([str(stored)]).values
    assert values["fusions"]["pooled"] == {"plugin": "camser:concat", "projection_size": None}
    architecture = json.loads((fitted.output_folder / results.ARCHITECTURE).read_text())
    assert architecture["hidden_sizes"] == [] and architecture["fusion"] == "pooled"


def test_what_would_have_to_be_trained_is_refused(start):
    with pytest.raises(ValueError, match=r"'logistic' trains nothing but .* mfcc, wav2vec2 would"):
        start("--back_end=logistic")
    with pytest.raises(ValueError, match="'forest' is not among the back_ends: logistic, svm, elm"):
        start("--back_end=forest", "--modalities=[mfcc_statistics]")
    with pytest.raises(PluginError, match="no plugin 'forest'"):
        start("--back_end=forest", "--back_ends={forest: {plugin: forest}}")
    with pytest.raises(ValueError, match="means over segments; give utterance_rule: mean"):
        start("--back_end=svm", "--modalities=[mfcc_statistics]", "--utterance_rule=max")
    with pytest.raises(ValueError, match="means over segments; give utterance_rule: mean"):
        start("--back_end=elm", "--back_end_after_training=true", "--utterance_rule=max",
              "--modalities=[mfcc]", "--fusion=concat")  # fmt: skip
    with pytest.raises(SettingsError, match=r"no setting 'back_ent'. Did you mean 'back_end'"):
        start("--back_ent=logistic")


def test_the_same_folder_does_not_take_another_back_end(fitted, start):
    with pytest.raises(SettingsError, match="other settings:\n  back_ends: "):
        start(*LOGISTIC, "--back_ends={logistic: {C: 1.0}}")


def test_no_modality_is_projected_whatever_size_its_encoder_has(start):
    job = start(
        "--back_end=logistic", "--modalities=[mfcc_statistics]",
        "--encoders={mfcc_statistics: {projection_size: 4}}",
    )  # fmt: skip
    assert job.hparams["embedding_model"].embedding_size == 200
