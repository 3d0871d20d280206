"""Runs whose fusion gives class scores or brings a loss: resumed, exported, in two processes."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config, write_config
from camser.inference.export_files import ExportError
from camser.inference.onnx_session import unavailable_reason
from tests.export.test_same_scores import SAME, SAME_IN_ONNX
from tests.fusion.test_own_losses import POINTS
from tests.helpers.recipe_runs import ROOT
from tests.helpers.same_run import NOISY, same, weights
from tests.training.test_distributed import TORCHRUN, recipe
from tests.training.test_masked_runs import scores

SCORES = ["--modalities=[mfcc]", "--fusion=null_runs", "--embedding_model={hidden_sizes: []}",
          "--fusions={null_runs: {plugin: null_runs}}"]  # fmt: skip
PENALTY = ["--modalities=[mfcc]", "--fusion=small", "--fusions={small: {plugin: small}}"]


def unsmoothed(settings):
    """Without label smoothing, which a loss of scores cannot have."""
    return [setting for setting in settings if "label_smoothing" not in setting]


@pytest.fixture(autouse=True)
def fusions(install):
    install("own-losses", fusions=POINTS)


@pytest.mark.parametrize("settings", [SCORES, pytest.param(PENALTY, marks=pytest.mark.slow)])
def test_cut_off_in_mid_epoch_it_goes_on_to_the_same_weights(run, start, settings):
    settings = [*unsmoothed(NOISY), *settings]
    undisturbed = weights(run(*settings, folder="undisturbed"))
    job = start(*settings)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(KeyboardInterrupt):
        job.train()
    assert same(weights(run(*settings)), undisturbed)


def test_a_run_of_scores_learns_by_its_own_loss_and_its_files_are_those_of_any(run, start):
    job = run(*SCORES, "--number_of_epochs=3", "--learning_rate=0.01")
    history = results.read_history(job.output_folder)
    first, *_, last = [float(row["train_loss"]) for row in history]
    assert last < first
    written = results.read_results(job.output_folder / "results.json")
    assert written["parameters"]["head"] == {"total": 0, "trained": 0}
    arrays = results.read_arrays(job.output_folder / results.EMBEDDINGS)
    assert arrays.keys() == {"ids", "fused", "embedding"}
    torch.testing.assert_close(
        torch.from_numpy(arrays["embedding"]).log_softmax(dim=1),
        torch.tensor(list(scores(job).values())),
        atol=1e-5,
        rtol=0,
    )
    with pytest.raises(ValueError, match="NullRuns has its own loss"):
        start(*SCORES, "--label_smoothing=0.1", folder="other")


def test_a_model_of_scores_decides_alike_everywhere(run, corpus, tmp_path):
    job = run(*SCORES, "--mask_padding=true")
    has_onnx = unavailable_reason() is None
    folder = export_run(job.output_folder, tmp_path / "export", verified=False, onnx=has_onnx)
    expected, by_id = scores(job), {u.id: u for u in job.utterances}
    paths = [corpus / by_id[name].path for name in expected]
    wanted = torch.tensor(list(expected.values()))
    engines = {"torch": SAME} | ({"onnx": SAME_IN_ONNX} if has_onnx else {})
    for engine, tolerance in engines.items():
        classifier = EmotionClassifier.from_pretrained(folder, "cpu", engine=engine)
        found = classifier.log_probabilities(paths)
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=SAME)  # sums over frames
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths])
    torch.testing.assert_close(found, wanted, atol=SAME, rtol=SAME)
    config = read_config(folder)
    config["architecture"]["num_classes"] = 5
    write_config(folder, {k: v for k, v in config.items() if k != "digest"})
    with pytest.raises(ExportError, match="it has 4 labels, but scores of 5 classes"):
        read_config(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        SCORES,
        PENALTY,
        [*SCORES, "--back_end=elm", "--back_end_after_training=true",
         "--segment_seconds=0.5", "--segment_hop_seconds={train: 0.25, test: 0.5}"],
    ],
    ids=["scores", "penalty", "elm"],
)  # fmt: skip
def test_two_processes_train_it_together(corpus, prepared, tmp_path, settings):
    (site,) = Path(tmp_path).glob("site-*")
    paths = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [*TORCHRUN, *unsmoothed(recipe(corpus, prepared, tmp_path, *settings))]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    written = json.loads((tmp_path / "run/results.json").read_text())
    assert written["epochs"] == 2 and written["skipped_steps"] == 0
