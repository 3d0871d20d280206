"""What takes minutes: kills at random moments, and the paper's full sizes."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.helpers.recipe_runs import ROOT, TINY
from tests.helpers.same_run import NOISY, same, weights

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("campaign", range(3))
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(
    run, corpus, prepared, tmp_path, campaign
):
    longer = ["--number_of_epochs=6", *(o for o in NOISY if "epochs" not in o)]
    undisturbed = weights(run(*longer, folder="undisturbed"))
    command = [
        sys.executable, "recipes/IEMOCAP/train.py", TINY, *longer,
        "--device=cpu", "--noprogressbar",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'run'}",
        f"--prepared_folder={prepared}",
    ]  # fmt: skip
    rng = random.Random(campaign)
    kills = 0
    while kills < 6:
        with open(tmp_path / "out.txt", "w") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
            try:
                process.wait(timeout=rng.uniform(5, 9))
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert kills
    assert same(weights(run(*longer)), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_told_to_end_saves_and_goes_on(corpus, tmp_path, number):
    command = [
        sys.executable, ROOT / "recipes/IEMOCAP/crossval.py", TINY, "--folds", "0", "--device=cpu",
        "--number_of_epochs=12", "--patience=12", "--noprogressbar", f"--data_folder={corpus}",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not list(tmp_path.rglob("CKPT*")) and time.monotonic() < deadline:
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be told to"
    process.send_signal(number)
    assert process.wait(120) == 128 + number
    (log,) = tmp_path.rglob("job.log")
    assert "SIGTERM: saved" in log.read_text() and "Traceback" not in log.read_text()
    assert not list(tmp_path.rglob("results.json")) and not list(tmp_path.rglob(".lock"))
    subprocess.run(command, cwd=tmp_path, check=True)
    (row,) = tmp_path.rglob("history.csv")
    assert len(row.read_text().splitlines()) == 13


@pytest.mark.parametrize("campaign", ["crashes.resources", "fuzzing.extreme_audio"])
def test_a_campaign_loses_nothing(campaign):
    command = [sys.executable, "-m", f"robustness.{campaign}", "--number", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_the_papers_sizes_train_a_step(start):
    job = start(
        "--encoders={spectrogram: {weights: null}, "
        "wav2vec2: {source: null, config: {model_type: wav2vec2}}}",
        "--debug",
        "--debug_batches=1",
        "--debug_epochs=1",
        "--batch_size=4",
        "--num_workers=0",
        recipe=ROOT / "recipes/IEMOCAP/hparams/camser.yaml",
    )
    begun = time.monotonic()
    before = weights(job)
    job.train()
    after = weights(job)
    moved = [
        n for n in after if after[n].is_floating_point() and not torch.equal(before[n], after[n])
    ]
    print(f"{time.monotonic() - begun:.1f} s for a step of 4 segments and a scored batch")
    trained = [n for n, p in job.brain.modules.named_parameters() if p.requires_grad]
    assert set(trained) <= set(moved)
