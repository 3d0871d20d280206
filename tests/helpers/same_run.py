"""Whether two runs ended alike to the last bit, and a run that draws on all that is random."""

import torch

NOISY = [
    "--number_of_epochs=2",
    "--grad_accumulation_factor=2",
    "--ckpt_interval_steps=1",
    "--batch_size=8",
    "--schedule={warmup: 0.3}",
    "--class_weights=balanced",
    "--label_smoothing=0.1",
    "--encoders={wav2vec2: {mask_time_prob: 0.3, layer_drop: 0.3}, mfcc: {standardize: true}}",
]


def weights(job):
    modules = job.brain.raw_modules
    return {name: value.clone() for name, value in modules.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
