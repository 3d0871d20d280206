#!/usr/bin/env python3
"""What the processor multiplies at most: no step and no clip can be faster than its arithmetic.

python bench/peak_flops.py --output bench/results/peak_flops-cpu.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

import torch
from harness import camser_model, measurement
from harness.flops import forward_flops

# rows, inner size, columns
PRODUCTS = {
    "large square matrices": (4096, 4096, 4096),
    "a layer of wav2vec2 on one segment": (149, 768, 3072),
}


# torch's setting for float32, and the type; SpeechBrain, when imported, allows TF32.
PRECISIONS = {
    "float32": ("highest", torch.float32),
    "TF32": ("high", torch.float32),
    "bfloat16": ("high", torch.bfloat16),
}


def product(sizes: tuple[int, int, int], precision: str, device: str, repeats: int) -> float:
    """Seconds of one matrix product, the mean of several."""
    setting, dtype = PRECISIONS[precision]
    torch.set_float32_matmul_precision(setting)
    rows, inner, columns = sizes
    a = torch.randn(rows, inner, device=device, dtype=dtype)
    b = torch.randn(columns, inner, device=device, dtype=dtype)

    def work() -> None:
        for _ in range(repeats):
            torch.nn.functional.linear(a, b)

    return measurement.timed(work, device)[1] / repeats


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each product in each precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = measurement.read_arguments(parser, argv, rounds=9)
    gpu = measurement.is_gpu(asked.device)
    size = "small" if asked.quick else "paper"
    forward = forward_flops(*camser_model.modules(size).values())
    rows = []
    for what, sizes in PRODUCTS.items():
        work = 2 * sizes[0] * sizes[1] * sizes[2]
        repeats = 1 if work > 1e11 and not gpu else 50
        for precision in PRECISIONS if gpu else ("float32",):
            given = sizes, precision, asked.device, 1 if asked.quick else repeats
            times = measurement.rounds(
                {what: lambda given=given: product(*given)}, asked.rounds, asked.device
            )
            speed = work / median(times[what])
            rows.append(
                {
                    "product": what,
                    "precision": precision,
                    "TFLOP/s": speed / 1e12,
                    "ms for a segment forward": 1000 * forward / speed,
                }
            )
    measurement.report(asked, {"peak_flops": rows}, size=size, forward_gflop=forward / 1e9)


if __name__ == "__main__":
    main()
