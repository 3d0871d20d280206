"""How a run computed is recorded, and told where it went on otherwise."""

import pytest
import torch

from camser.evaluation import results
from camser.training import determinism

CHEAP = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8"]


@pytest.fixture
def other_sums():
    """Sums that round otherwise, for the length of a test that asks for them."""
    before = torch.get_float32_matmul_precision()
    yield lambda: torch.set_float32_matmul_precision("medium")
    torch.set_float32_matmul_precision(before)


def test_a_run_that_went_on_otherwise_says_so_and_one_that_had_ended_says_how(run, other_sums):
    first = read_run(run(*CHEAP))
    used = first["determinism"]["float32_matmul_precision"]
    told = f"float32_matmul_precision: {used!r}, then 'medium'"
    other_sums()
    again = read_run(run(*CHEAP))  # nothing is left to train
    assert again["determinism"] == first["determinism"] and first["changed"] == []
    assert again["changed"] == []
    job = run(*CHEAP, "--number_of_epochs=2")
    longer = read_run(job)
    assert longer["changed"] == [told]
    kept = longer["determinism"]["float32_matmul_precision"]
    assert kept == (used if longer["best_epoch"] == 1 else "medium")
    assert (job.output_folder / "log.txt").read_text().count(told) == 2


def read_run(job):
    return results.read_results(job.output_folder / "results.json")


def test_determinism_can_be_required_and_is_recorded(start, monkeypatch):
    monkeypatch.setenv(determinism.WORKSPACE, "")
    monkeypatch.delenv(determinism.WORKSPACE)
    try:
        with pytest.raises(ValueError, match=r"deterministic is .yes.; it must be true or false"):
            start("--deterministic=yes")
        start("--deterministic=true")
        told = determinism.determinism_settings()
        assert told["deterministic_algorithms"] and not told["cudnn_benchmark"]
        assert told[determinism.WORKSPACE] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.gpu
def test_a_deterministic_run_trains_on_a_gpu(run):
    try:
        job = run("--device=cuda", "--deterministic=true", "--cache_features=false")
    finally:
        torch.use_deterministic_algorithms(False)
    assert read_run(job)["determinism"]["deterministic_algorithms"]


def test_in_full_precision_nothing_is_rounded_to_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with determinism.full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)
