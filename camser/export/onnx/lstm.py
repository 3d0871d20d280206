"""LSTM, STFT and the norm of waveform filters for torch.onnx, which writes the rest of a model.

Only ``write`` imports this module, since it needs onnxscript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript.function_libs.torch_lib.ops.core import aten_lstm
from torch import Tensor
from torch.overrides import TorchFunctionMode

from camser.export.onnx.group_norm import write_group_norm
from camser.export.onnx.stft import write_stft

SCHEMA = (
    "(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, "
    "bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)"
)


@torch.library.custom_op("camser::lstm", mutates_args=(), schema=SCHEMA)
def _lstm(
    input: Tensor, hx: Sequence[Tensor], params: Sequence[Tensor], *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """``torch.lstm`` as a custom operator, which torch.export does not unroll."""
    return torch.lstm(input, tuple(hx), tuple(params), *options)


@_lstm.register_fake
def _(input: Tensor, hx: Sequence[Tensor], *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    bidirectional = rest[5]
    size = hx[0].shape[2] * (2 if bidirectional else 1)
    hidden, cell = (torch.empty_like(state) for state in hx)
    return input.new_empty(*input.shape[:2], size), hidden, cell


class KeepLSTM(TorchFunctionMode):
    """While this is active, ``nn.LSTM`` calls the custom operator.

    Otherwise torch.export unrolls it to find its shapes: 300 frames take minutes, not seconds.
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


TABLE: dict[Callable, Callable] = {
    torch.ops.camser.lstm.default: aten_lstm,
    torch.ops.aten.stft.default: write_stft,
    torch.ops.aten.group_norm.default: write_group_norm,
}
