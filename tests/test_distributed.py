"""Two processes on a CPU: they train together, and leave one set of files."""

import subprocess
import sys

import pytest
import torch
from conftest import ROOT, TINY

from camser import results


def run_two(corpus, prepared, tmp_path, *more):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
        "recipes/IEMOCAP/train.py", TINY, "--device=cpu", "--distributed_backend=gloo",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'run'}",
        f"--prepared_folder={prepared}", "--noprogressbar", "--number_of_epochs=2",
        "--batch_size=8", "--grad_accumulation_factor=2", *more,
        "--encoders={wav2vec2: {mask_time_prob: 0.3, layer_drop: 0.5}, mfcc: {standardise: true}}",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended


def test_two_processes_train_with_layer_drop_and_spec_augment(corpus, prepared, tmp_path):
    ended = run_two(corpus, prepared, tmp_path)
    assert ended.stdout.count("macro_F1") == 1
    written = results.read_results(tmp_path / "run/results.json")
    assert written["epochs"] == 2
    tested = results.read_predictions(tmp_path / "run/predictions.csv")
    assert len(tested) == written["num_utterances"] == len({row["id"] for row in tested})
    (checkpoint, *_) = (tmp_path / "run/save").glob("CKPT*")
    states = [torch.load(checkpoint / f"random_state.ckpt{r}")["torch"] for r in ("", ".rank1")]
    assert not torch.equal(*states), "the processes drew the same noise"


@pytest.mark.slow
def test_two_processes_debug(corpus, prepared, tmp_path):
    run_two(corpus, prepared, tmp_path, "--debug", "--debug_batches=1", "--debug_epochs=1")
    assert not (tmp_path / "run/results.json").exists()
