"""What only a GPU can show: that runs go on, in each precision, and that a CPU agrees with them."""

import math

import pytest
import torch

from camser.evaluation import results
from camser.inference import EmotionClassifier
from camser.runtime.resource_errors import BatchOutOfMemoryError
from tests.helpers.same_run import NOISY, same, weights

pytestmark = pytest.mark.gpu
CUDA, AUGMENT = "--device=cuda", "--include=camser:augmentation.yaml"


@pytest.mark.parametrize(
    "options",
    [
        ["--precision=fp32", "--compiled=false"],
        ["--precision=bf16", "--compiled=false"],
        ["--precision=fp16", "--compiled=false"],
        ["--precision=auto", "--compiled=auto"],
        ["--precision=auto", "--compiled=auto", "--num_workers=2", AUGMENT],
    ],
)
def test_a_run_trains_and_skips_no_step(run, corpus, options):
    noise = f"--noise_folder={corpus}" if AUGMENT in options else "--cache_features=false"
    job = run(CUDA, *options, *NOISY, noise)
    rows = results.read_history(job.output_folder)
    assert [row["skipped_steps"] for row in rows] == ["0", "0"]
    assert all(
        math.isfinite(float(row[f"{part}_loss"])) for row in rows for part in ("train", "valid")
    )


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(run, start):
    settings = [CUDA, *NOISY, "--deterministic=true", "--compiled=false"]
    try:
        undisturbed = weights(run(*settings, folder="undisturbed"))
        job = start(*settings)
        fit_batch, steps = job.brain.fit_batch, []

        def fit(batch):
            steps.append(batch)
            if len(steps) == 5:
                raise KeyboardInterrupt
            return fit_batch(batch)

        job.brain.fit_batch = fit
        with pytest.raises(KeyboardInterrupt):
            job.train()
        assert same(weights(run(*settings)), undisturbed)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_batch_that_does_not_fit_says_which_one_would(start):
    job = start(CUDA, "--batch_size=16", "--compiled=false")
    forward, taken = job.brain.compute_forward, []

    def compute_forward(batch, stage):
        taken.append(torch.empty(1 << 45, dtype=torch.uint8, device="cuda"))
        return forward(batch, stage)

    job.brain.compute_forward = compute_forward
    with pytest.raises(BatchOutOfMemoryError, match="a smaller --batch_size"):
        job.train()


def test_a_gpu_says_what_a_cpu_says(export, classifier, wave_path):
    torch.set_float32_matmul_precision("highest")
    on_gpu = EmotionClassifier.from_pretrained(export, device="cuda")
    found = on_gpu.log_probabilities([str(wave_path)]).cpu()
    # Convolutions in TF32 keep ten bits.
    torch.testing.assert_close(
        found, classifier.log_probabilities([str(wave_path)]), atol=1e-2, rtol=0
    )
