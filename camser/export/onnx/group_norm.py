"""The norm of wav2vec2's first layer for ONNX, exact also over thousands of frames.

For torch.onnx's own translation, onnxruntime sums the frames in float32, one by one. If silence
makes most of them equal, the log-probabilities of HuBERT are off by 6e-4; 1e-4 is promised. Sums in
float64 are exact, but with them wav2vec2 takes a tenth longer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnxscript import ir
from onnxscript import opset18 as op
from onnxscript.function_libs.torch_lib.ops.nn import aten_group_norm

SHORT = 64  # samples of a kernel; the cost of its output statistics is quadratic


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
    if _filters_waveforms(convolution, num_groups) and weight is not None and bias is not None:
        return _write_normalized_filters(convolution, weight, bias, eps)
    return aten_group_norm(input, num_groups, weight, bias, eps, cudnn_enabled)


def _filters_waveforms(node: Any, num_groups: int) -> bool:
    """Whether a node maps waveforms to channels that are normalized one by one."""
    if node is None or node.op_type != "Conv":
        return False
    shape = node.inputs[1].shape  # [channels, channels of the input, samples]
    return len(shape) == 3 and shape[0] == num_groups and shape[1] == 1 and shape[2] <= SHORT


def _write_normalized_filters(node: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Convolution and normalization in one product, with one scale per channel.

    The output of a channel is ``w`` times each window of the waveform. Its variance over the frames
    is ``w C w``, with the covariance ``C`` of the windows. ``C`` is small and exact in float64, and
    the large output is written once. The mean of the windows is subtracted before; a bias of the
    convolution would cancel.
    """
    waveforms, filters = node.inputs[:2]
    channels, _, size = filters.shape
    identity = op.Constant(value=ir.tensor(np.eye(size, dtype=np.float32)[:, None]))
    attributes = {name: node.attributes[name].value for name in ("strides", "dilations", "pads")}
    windows = _double(op.Conv(waveforms, identity, **attributes))  # [items, samples, frames]
    windows = op.Sub(windows, op.ReduceMean(windows, [2]))
    count = op.Cast(op.Gather(op.Shape(windows), 2), to=ir.DataType.DOUBLE)
    covariance = op.Div(op.MatMul(windows, op.Transpose(windows, perm=[0, 2, 1])), count)
    filters = _double(op.Reshape(filters, [channels, size]))
    variance = op.ReduceSum(op.Mul(op.MatMul(filters, covariance), filters), [2])
    epsilon = op.Constant(value=ir.tensor(np.float64(eps)))
    scale = op.Div(_double(op.Unsqueeze(weight, [1])), op.Sqrt(op.Add(variance, epsilon)))
    filters, windows = _single(op.Mul(filters, scale)), _single(windows)
    # The bias is the weight of an extra sample of each window, which is always 1.
    biases = op.Expand(op.Unsqueeze(bias, [1]), op.Shape(scale))
    ones = op.Expand(1.0, op.Shape(op.Slice(windows, [0], [1], [1])))
    return op.MatMul(op.Concat(filters, biases, axis=2), op.Concat(windows, ones, axis=1))


def _double(values: Any) -> Any:
    return op.Cast(values, to=ir.DataType.DOUBLE)


def _single(values: Any) -> Any:
    return op.Cast(values, to=ir.DataType.FLOAT)
