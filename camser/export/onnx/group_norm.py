"""Group normalisation for ONNX, exact also over the thousands of frames of a segment.

onnxruntime's means add up in float32, one value after the other. Over a segment's thousands of
frames, as in wav2vec2's first layer, and where silence makes most of them equal, that is off by
1e-5 of the result, a hundred times what it is in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnxscript import ir
from onnxscript import opset18 as op

SHORT = 64  # samples of a kernel; the statistics of its outputs cost their square


def write_group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """``torch.group_norm`` on [items, channels, ...]."""
    convolution = input.producer()
    if _filters_waves(convolution, num_groups) and weight is not None and bias is not None:
        return _write_normalised_filters(convolution, weight, bias, eps)
    groups = op.Reshape(input, [0, num_groups, -1])
    centred = op.Sub(groups, _mean(groups))
    deviation = op.Sqrt(op.Add(_mean(op.Mul(centred, centred)), eps))
    output = op.Reshape(op.Div(centred, deviation), op.Shape(input))
    per_channel = [-1, *[1] * (len(input.shape) - 2)]
    if weight is not None:
        output = op.Mul(output, op.Reshape(weight, per_channel))
    return output if bias is None else op.Add(output, op.Reshape(bias, per_channel))


def _mean(values: Any) -> Any:
    return _single(op.ReduceMean(_double(values), [2]))


def _filters_waves(node: Any, num_groups: int) -> bool:
    """Whether a node makes channels from waves, each of which is normalised by itself."""
    if node is None or node.op_type != "Conv":
        return False
    shape = node.inputs[1].shape  # [channels, channels of the input, samples]
    return len(shape) == 3 and shape[0] == num_groups and shape[1] == 1 and shape[2] <= SHORT


def _write_normalised_filters(node: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Convolution and normalisation together: each channel of its own scale, in one product.

    A channel's output is ``w`` times each window of the wave, so its variance over the frames is
    ``w C w`` with the windows' covariance ``C``: a small matrix, exact in float64, and the large
    output is written once. The mean of the windows is taken off before; a bias of the convolution
    would cancel.
    """
    waves, filters = node.inputs[:2]
    channels, _, size = filters.shape
    take = op.Constant(value=ir.tensor(np.eye(size, dtype=np.float32)[:, None]))
    attributes = {name: node.attributes[name].value for name in ("strides", "dilations", "pads")}
    windows = _double(op.Conv(waves, take, **attributes))  # [items, samples, frames]
    windows = op.Sub(windows, op.ReduceMean(windows, [2]))
    count = op.Cast(op.Gather(op.Shape(windows), 2), to=ir.DataType.DOUBLE)
    covariance = op.Div(op.MatMul(windows, op.Transpose(windows, perm=[0, 2, 1])), count)
    filters = _double(op.Reshape(filters, [channels, size]))
    variance = op.ReduceSum(op.Mul(op.MatMul(filters, covariance), filters), [2])
    least = op.Constant(value=ir.tensor(np.float64(eps)))
    scale = op.Div(_double(op.Unsqueeze(weight, [1])), op.Sqrt(op.Add(variance, least)))
    filters, windows = _single(op.Mul(filters, scale)), _single(windows)
    # The bias is the weight of a window's further sample, which is always 1.
    biases = op.Expand(op.Unsqueeze(bias, [1]), op.Shape(scale))
    ones = op.Expand(1.0, op.Shape(op.Slice(windows, [0], [1], [1])))
    return op.MatMul(op.Concat(filters, biases, axis=2), op.Concat(windows, ones, axis=1))


def _double(values: Any) -> Any:
    return op.Cast(values, to=ir.DataType.DOUBLE)


def _single(values: Any) -> Any:
    return op.Cast(values, to=ir.DataType.FLOAT)
