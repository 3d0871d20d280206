"""The size of a model, and the floating-point operations of one segment."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from camser.audio import SAMPLE_RATE
from camser.model import UtteranceEncoder, count_parameters

logger = logging.getLogger(__name__)
TYPICAL_SAMPLES = 3 * SAMPLE_RATE  # of a segment, as in the paper
_one_at_a_time = threading.Lock()


def model_cost(model: UtteranceEncoder, head: nn.Module) -> dict[str, Any]:
    """The fields of ``results.json`` on the cost of a model; parameters are logged.

    Arguments
    ---------
    model : UtteranceEncoder
        The embedding model, on the CPU and not compiled: the operations of cuDNN and of compiled
        regions are not counted.
    head : EmotionHead
        The classifier.

    Returns
    -------
    dict
        ``parameters``: the numbers of all ("total") and of the "trained" ones, by component;
        ``segment_flops``, see ``count_flops``.
    """
    parameters = {
        name: {"total": total, "trained": trained}
        for name, (total, trained) in count_parameters(model, head).items()
    }
    for name, counts in parameters.items():
        logger.info("parameters: %-12s %11d, %11d trained", name, *counts.values())
    return {"parameters": parameters, "segment_flops": count_flops(model, head)}


@torch.no_grad()
def count_flops(model: UtteranceEncoder, head: nn.Module) -> int:
    """The floating-point operations of one segment in evaluation mode; a multiply-add is two.

    If segments are as long as their utterances, it has 3 s.

    Matrix products, convolutions, recurrent layers and attention are counted; Fourier transforms,
    normalizations, activations and pooling are not.
    """
    was_training = model.training, head.training
    model.eval(), head.eval()
    size = model.padded_samples(min(TYPICAL_SAMPLES, model.segment_samples))
    segment = torch.linspace(-1, 1, size).unsqueeze(0)
    try:
        with (
            _without_onednn(),  # its recurrent layers and fused attention would not be counted
            torch.random.fork_rng(devices=[]),  # transformers may draw for layers that it drops
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            head(model(segment, torch.ones(1)))
    finally:
        model.train(was_training[0]), head.train(was_training[1])
    return counter.get_total_flops()


@contextmanager
def _without_onednn() -> Iterator[None]:
    """oneDNN is off, and on again afterwards, whatever other threads count meanwhile.

    With warnings as errors, torch's own ``mkldnn.flags`` raises when it is entered, and leaves
    oneDNN off.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onednn = torch.backends.mkldnn.enabled
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a property
        try:
            yield
        finally:
            torch.backends.mkldnn.enabled = onednn
