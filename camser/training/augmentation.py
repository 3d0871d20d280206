"""Augmentation of the training audio by SpeechBrain's modules, the same when a run is repeated."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
from speechbrain.augment.augmenter import Augmenter
from torch import Tensor, nn

from camser.training.random_state import seeded


class Augmentation:
    """Augments batches of segments, each by random numbers of its own.

    The same batch in the same epoch is always changed in the same way: whatever was drawn before,
    in any worker, and after a run is resumed. For this, each batch gets a fresh copy of the
    augmenter, since SpeechBrain's modules remember what they drew.

    Arguments
    ---------
    augmenter : Augmenter
        SpeechBrain's; it must return as many segments as it gets.
    seed : int
        The seed of the run.
    segment_samples : int
        Length of a segment. Two segments are augmented at once, so that errors show early.

    Raises
    ------
    ValueError
        If ``augmenter`` is of another class, returns another number of segments, or reads a
        ``csv_file``: no checkpoint stores which row comes next.

    Example
    -------
    >>> from speechbrain.augment.time_domain import SignFlip
    >>> augmentation = Augmentation(Augmenter(augmentations=[SignFlip(flip_prob=1.0)]), 1, 3)
    >>> augmentation(torch.tensor([[0.1, 0.2, 0.3, 0.0]]), torch.tensor([2]), ["a#0"], epoch=1)
    tensor([[-0.1000, -0.2000, -0.3000, 0.0000]])
    """

    def __init__(self, augmenter: Augmenter, seed: int, segment_samples: int) -> None:
        if not isinstance(augmenter, Augmenter):
            raise ValueError(
                f"augment is a {type(augmenter).__name__}; give a speechbrain.augment.augmenter."
                f"Augmenter, whose augmentations may hold one"
            )
        for module in augmenter.augmentations.values():
            if getattr(module, "csv_file", None):
                raise ValueError(
                    f"augment: {type(module).__name__} has a csv_file, and no checkpoint stores "
                    f"which row comes next; for noise, give AddNoise noise_funct: "
                    f"!new:camser.training.NoiseFolder instead"
                )
            module.register_forward_hook(_silence_nan)
        self.augmenter, self.seed = augmenter, seed
        lengths = torch.tensor([segment_samples, segment_samples // 2])
        segments = torch.linspace(-0.5, 0.5, 2 + 2 * segment_samples).reshape(2, -1)
        self(segments, lengths, ["a", "b"], epoch=0)

    def __call__(self, segments: Tensor, lengths: Tensor, ids: Sequence[str], epoch: int) -> Tensor:
        """Augment a batch, on the CPU.

        Arguments
        ---------
        segments : Tensor
            [segments, 1 + samples], the sample before each segment and its own.
        lengths : Tensor
            [segments], the samples of each that are not padding.
        ids : sequence of str
            The names of the segments.
        epoch : int
            The number of the epoch.

        Returns
        -------
        Tensor
            The same shape: a segment that became longer is cut at its end, a shorter one is
            padded with silence, and padding stays silent.
        """
        width = segments.shape[1]
        key = json.dumps([self.seed, epoch, list(ids)]).encode()
        with seeded(int.from_bytes(hashlib.sha256(key).digest()[:8], "big")):
            augmenter = copy.deepcopy(self.augmenter)
            changed, relative = augmenter(segments, (1 + lengths) / width)
        if len(changed) != len(segments):
            raise ValueError(
                f"augment returns {len(changed)} segments for {len(segments)}; leave out "
                f"parallel_augment, concat_original, repeat_augment and augment_end_index"
            )
        ends = (relative * changed.shape[1]).round().unsqueeze(1)
        cut = torch.nn.functional.pad(changed, (0, width - changed.shape[1]))
        return cut.masked_fill(torch.arange(width) >= ends, 0.0)


def _silence_nan(module: nn.Module, inputs: Any, output: Any) -> Any:
    """RandAmp and DoClip divide silence by its peak, 0; CodecAugment crashes if it gets NaN."""
    if isinstance(output, tuple):
        return _silence_nan(module, inputs, output[0]), *output[1:]
    return output.masked_fill(output.isnan(), 0.0)
