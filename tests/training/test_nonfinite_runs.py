"""A run and its numbers: a step waits for nothing, and a bad batch is gone over."""

import inspect
import math

import pytest
import torch
from speechbrain import Stage
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Encoder

from camser.encoders import Encoder
from camser.evaluation import results
from camser.training.nonfinite import LossTracker, NonFiniteError


class NoWaiting(TorchDispatchMode):
    """Fails where the host asks the device for a value."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function is not torch.ops.aten._local_scalar_dense.default, "a value is fetched"
        assert function is not torch.ops.aten.nonzero.default, "a size is fetched"
        return function(*args, **(kwargs or {}))


SMALL_DATA = ["--schedule={warmup: 0.1}", "--class_weights=balanced", "--label_smoothing=0.1"]
NOISY = [
    "--encoders={wav2vec2: {mask_time_prob: 0.3, mask_feature_prob: 0.2, layer_drop: 0.3}, "
    "mfcc: {standardize: true}}",
    "--cache_features=false",
    "--batch_size=2",
    "--ckpt_interval_minutes=1",
]


def a_batch(job):
    dataset, loader = job._dataset(job.fold.train), job._loader("batch_size")
    return next(iter(job.brain.make_dataloader(dataset, Stage.TRAIN, **loader)))


@pytest.mark.skipif(
    "layerdrop > 0" not in inspect.getsource(Wav2Vec2Encoder.forward),
    reason="this transformers draws a layer drop of nought as a tensor, if on the host",
)
@pytest.mark.parametrize(
    "options", [[], ["--max_grad_norm=1.0", "--fusion=low_rank"], SMALL_DATA], ids=str
)
def test_a_step_waits_for_nothing(start, monkeypatch, options):
    job = start(*NOISY, *options)
    monkeypatch.setattr(LossTracker, "should_fetch", False)
    batch, job.brain.step = a_batch(job), 1
    job.brain.on_fit_start()
    job.brain.modules.train()
    with NoWaiting():
        for _ in range(2):
            assert job.brain.fit_batch(batch) == 0.0
    assert not job.brain._should_save_intra_epoch_ckpt(0.0, 1)  # for which processes wait
    assert 0 < job.brain.losses.fetch(0.0) < 10
    assert job.brain._should_save_intra_epoch_ckpt(0.0, 1)


@pytest.mark.gpu
def test_a_step_on_a_gpu_waits_for_nothing(start):
    job = start(*NOISY, *SMALL_DATA, "--device=cuda")
    batch, job.brain.step = a_batch(job).to("cuda"), 1
    job.brain.on_fit_start()
    job.brain.modules.train()
    for _ in range(3):  # what is compiled and tuned before
        job.brain.fit_batch(batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        job.brain.fit_batch(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class Normalizing(Encoder):
    """Another package's encoder, with running statistics of PyTorch's own."""

    out_channels = 2

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(2)

    def forward(self, waves):
        means = waves.unfold(1, 400, 400).mean(dim=2)
        return self.norm(means.unsqueeze(1).expand(-1, 2, -1)).mT

    def num_frames(self, num_samples):
        return num_samples // 400

    def init_config(self):
        return {}


@pytest.mark.parametrize("factor", [1, 2])
def test_a_bad_batch_leaves_no_trace_in_running_statistics(start, install, factor):
    install("other", [f"normalizing = {__name__}:Normalizing"])
    job = start(
        "--encoders={mfcc: {standardize: true}, other: {plugin: normalizing}}",
        "--modalities=[mfcc, other]", "--fusion=concat", "--cache_features=false",
        "--batch_size=8", f"--grad_accumulation_factor={factor}",
    )  # fmt: skip
    spoilt, model = [], job.hparams["embedding_model"]

    def spoil(module, inputs):  # before the first layers of both, and of the fusion
        if module.training and job.brain.step == 2:
            spoilt.append(True)
            return inputs[0] * math.nan
        return None

    for encoder in model.encoders.values():
        encoder.register_forward_pre_hook(spoil)
    job.train()
    job.test()
    assert len(spoilt) == 2
    statistics = {n: b for n, b in model.named_buffers() if "mean" in n or "var" in n}
    assert len(statistics) >= 4 and all(b.isfinite().all() for b in statistics.values())
    moved = [n for n, b in statistics.items() if "mean" in n and b.abs().max() > 0]
    assert len(moved) == 2, "and they are of all other batches"
    (row,) = results.read_history(job.output_folder)
    assert row["skipped_steps"] == "1" and math.isfinite(float(row["valid_loss"]))


def test_a_run_goes_on_after_a_bad_batch_and_stops_at_too_many(start):
    settings = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8"]
    job = start(*settings)
    forward, spoilt = job.brain.compute_forward, {2}

    def compute_forward(batch, stage):
        scores = forward(batch, stage)
        return scores * math.nan if stage.name == "TRAIN" and job.brain.step in spoilt else scores

    job.brain.compute_forward = compute_forward
    job.train()
    told = (job.output_folder / "log.txt").read_text()
    assert told.count("not finite, the step is skipped; its batch: iemocap/") == 1
    (row,) = results.read_history(job.output_folder)
    assert row["skipped_steps"] == "1"
    assert math.isfinite(float(row["train_loss"])) and math.isfinite(float(row["valid_loss"]))
    assert all(p.isfinite().all() for p in job.brain.modules.parameters())
    again = start(*settings, "--nonfinite_patience=2", folder="again")
    forward = again.brain.compute_forward
    again.brain.compute_forward = lambda batch, stage: forward(batch, stage) * math.nan
    with pytest.raises(NonFiniteError, match=r"in 3 steps in a row, with iemocap/Ses"):
        again.train()
