"""The arithmetic of a model, counted on one segment."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def forward_flops(model: nn.Module, head: nn.Module) -> int:
    """Floating-point operations of one segment's forward pass."""
    wave, whole = torch.randn(1, model.segment_samples), torch.ones(1)
    counted: list[int] = []

    def count(lstm: nn.LSTM, inputs: tuple, output: object) -> None:
        counted.append(lstm_flops(lstm, *inputs))

    lstms = [module for module in model.modules() if isinstance(module, nn.LSTM)]
    handles = [lstm.register_forward_hook(count) for lstm in lstms]
    # The counter knows attention as the two matrix products that it is.
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        head(model(wave, whole))
    for handle in handles:
        handle.remove()
    return counter.get_total_flops() + sum(counted)


def lstm_flops(lstm: nn.LSTM, frames: torch.Tensor, *state: object) -> int:
    """Four gates of each unit, from input and state, at each frame; the counter knows no LSTM."""
    weights = [p for name, p in lstm.named_parameters() if name.startswith("weight")]
    return 2 * frames.shape[1] * sum(p.numel() for p in weights)
