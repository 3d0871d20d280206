"""Operators that replace those of torch.onnx: one LSTM operator per layer, exact STFT and norms.

The other two are in ``stft`` and ``group_norm``. torch.onnx writes everything else of a model. Only
``write`` imports this module, since it needs onnxscript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnxscript import ir
from onnxscript import opset18 as op
from torch import Tensor
from torch.overrides import TorchFunctionMode

from camser.export.onnx.group_norm import write_group_norm
from camser.export.onnx.stft import write_stft


@torch.library.custom_op("camser::lstm", mutates_args=())
def _lstm(
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """``torch.lstm`` as a custom operator, which torch.export does not unroll."""
    return torch.lstm(
        input,
        tuple(hx),
        tuple(params),
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        batch_first,
    )


@_lstm.register_fake
def _(input: Tensor, hx: Sequence[Tensor], *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    bidirectional = rest[5]
    size = hx[0].shape[2] * (2 if bidirectional else 1)
    hidden, cell = (torch.empty_like(state) for state in hx)
    return input.new_empty(*input.shape[:2], size), hidden, cell


class KeepLSTM(TorchFunctionMode):
    """While this is active, ``nn.LSTM`` calls the custom operator.

    Otherwise torch.export unrolls it: 300 frames take minutes, and do not run as one operator.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """See the class. Packed sequences and projections are left to torch."""
        if func == torch.lstm and not kwargs and not isinstance(args[1], Tensor):
            _, _, params, has_biases, num_layers, _, _, bidirectional, _ = args
            per_layer = (4 if has_biases else 2) * (2 if bidirectional else 1)
            if len(params) == num_layers * per_layer:
                return torch.ops.camser.lstm(args[0], list(args[1]), list(params), *args[3:])
        return func(*args, **(kwargs or {}))


def _write_lstm(
    input: Any,
    hx: Sequence[Any],
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, Any, Any]:
    """One LSTM operator per layer; in ONNX, time is first and the directions are an axis."""
    directions, size = 2 if bidirectional else 1, int(hx[0].shape[2])
    kinds = 4 if has_biases else 2  # weights of input and state, and their biases
    # The order of the gates is input, forget, cell, output in torch, and i, o, f, c in ONNX.
    gates = np.arange(4 * size).reshape(4, size)[[0, 3, 1, 2]].flatten()
    order = op.Constant(value=ir.tensor(gates))
    frames = op.Transpose(input, perm=[1, 0, 2]) if batch_first else input
    ends = []
    for layer in range(num_layers):
        rows = range(layer * directions, (layer + 1) * directions)
        own = [[op.Gather(p, order) for p in params[r * kinds : (r + 1) * kinds]] for r in rows]
        biases = _stack([op.Concat(*p[2:], axis=0) for p in own]) if has_biases else None
        output, *end = op.LSTM(
            frames,
            _stack([p[0] for p in own]),
            _stack([p[1] for p in own]),
            biases,
            None,  # all sequences are equally long
            *(op.Slice(state, [rows.start], [rows.stop], [0]) for state in hx),
            hidden_size=size,
            direction="bidirectional" if bidirectional else "forward",
        )
        # [frames, directions, segments, size] -> [frames, segments, directions * size]
        frames = op.Reshape(op.Transpose(output, perm=[0, 2, 1, 3]), [0, 0, -1])
        ends.append(end)
    last = (op.Concat(*states, axis=0) for states in zip(*ends, strict=True))
    return op.Transpose(frames, perm=[1, 0, 2]) if batch_first else frames, *last


def _stack(values: Sequence[Any]) -> Any:
    return op.Concat(*(op.Unsqueeze(value, [0]) for value in values), axis=0)


TABLE: dict[Callable, Callable] = {
    torch.ops.camser.lstm.default: _write_lstm,
    torch.ops.aten.stft.default: write_stft,
    torch.ops.aten.group_norm.default: write_group_norm,
}
