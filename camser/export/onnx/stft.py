"""The short-time Fourier transform as products of small matrices, for ONNX.

A DFT of ``N = P Q`` samples is two rounds of shorter ones (Cooley and Tukey, 1965). With
``n = Q p + q`` and ``k = a + P b``

    X[a + P b] = sum_q e(q a / N + q b / Q) sum_p e(p a / P) x[Q p + q],   e(t) = exp(-2 pi i t)

The inner sum is one product for all q. The outer sum is one product for each a, with both of its
factors in the matrix. A real signal needs only the bins k up to N / 2, so b ends at Q / 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnxscript import ir
from onnxscript import opset18 as op


def write_stft(
    self: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """``torch.stft`` of [items, samples]; a complex number is two real ones on the last axis.

    ONNX has an operator for it, but with onnxruntime the MFCC and spectrogram encoders take 1.9
    times as long, and log-probabilities are off by 3e-4; with one product per frame, 1.4 times.
    """
    if window is None or normalized or onesided is False or align_to_window or len(self.shape) != 2:
        raise ValueError(
            "an stft can only be exported if it is of [items, samples], one-sided, with a window, "
            "not normalized and not aligned to the window"
        )
    hop = hop_length or n_fft // 4
    rows, columns = _factors(n_fft, hop)
    num_b = columns // 2 + 1  # the number of indices b that are needed
    before = (n_fft - int(window.shape[0])) // 2
    after = n_fft - before - int(window.shape[0])
    window = op.Reshape(op.Pad(window, [before, after]), [rows, columns])
    frames = op.Mul(_frames(self, n_fft, hop, columns), window)  # [items, frames, p, q]
    inner = op.MatMul(_constant(_inner(rows)), frames)  # [items, frames, a (re, im), q]
    inner = op.Transpose(op.Reshape(inner, [0, 0, rows, 2 * columns]), perm=[0, 2, 1, 3])
    outer = op.MatMul(inner, _constant(_outer(rows, columns, num_b)))
    outer = op.Reshape(outer, [0, rows, -1, num_b, 2])  # [items, a, frames, b, (re, im)]
    bins = op.Reshape(op.Transpose(outer, perm=[0, 3, 1, 2, 4]), [0, num_b * rows, -1, 2])
    return op.Slice(bins, [0], [n_fft // 2 + 1], [1])


def _factors(n_fft: int, hop: int) -> tuple[int, int]:
    """P and Q, as equal as possible; a hop must be a multiple of Q samples.

    Example
    -------
    >>> _factors(2048, 160), _factors(800, 160), _factors(401, 100)
    ((64, 32), (25, 32), (401, 1))
    """
    common = math.gcd(n_fft, hop)
    divisors = (q for q in range(1, common + 1) if common % q == 0)
    columns = min(divisors, key=lambda q: q + n_fft // q)
    return n_fft // columns, columns


def _frames(waveforms: Any, size: int, hop: int, columns: int) -> Any:
    """[items, samples] -> [items, frames, rows, columns]"""
    rows = np.arange(size // columns)
    if isinstance(waveforms.shape[1], int):
        count = (waveforms.shape[1] - size) // hop + 1
        end = [(count - 1) * hop + size]
        indices = _constant(np.arange(count)[:, None] * (hop // columns) + rows)
    else:
        samples = op.Shape(waveforms, start=1, end=2)
        last = op.Div(op.Sub(samples, size), [hop])
        end = op.Add(op.Mul(last, [hop]), [size])
        starts = op.Range(0, op.Squeeze(op.Add(last, [1])), 1)
        indices = op.Add(op.Mul(op.Unsqueeze(starts, [1]), [hop // columns]), _constant(rows))
    used = op.Slice(waveforms, [0], end, [1])
    return op.Gather(op.Reshape(used, [0, -1, columns]), indices, axis=1)


def _phases(numerators: np.ndarray, period: int) -> np.ndarray:
    """e(numerators / period); full periods are removed in integers, without rounding."""
    return np.exp(-2j * np.pi * (numerators % period) / period)


def _inner(rows: int) -> np.ndarray:
    """[a (re, im), p]"""
    phases = _phases(np.outer(np.arange(rows), np.arange(rows)), rows)
    return np.stack([phases.real, phases.imag], axis=1).reshape(-1, rows)


def _outer(rows: int, columns: int, num_b: int) -> np.ndarray:
    """[a, (re, im) q, b (re, im)]"""
    a, q, b = np.ogrid[:rows, :columns, :num_b]
    phases = _phases(q * a + rows * q * b, rows * columns)
    of_real = np.stack([phases.real, phases.imag], axis=3)
    of_imaginary = np.stack([-phases.imag, phases.real], axis=3)
    return np.concatenate([of_real, of_imaginary], axis=1).reshape(rows, 2 * columns, -1)


def _constant(values: np.ndarray) -> Any:
    kind = np.float32 if values.dtype == np.float64 else values.dtype
    return op.Constant(value=ir.tensor(values.astype(kind)))
