"""What takes minutes: kills at random moments, and the paper's full sizes."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, TINY
from test_training import NOISY, same, weights

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
