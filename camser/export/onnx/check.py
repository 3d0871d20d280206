"""Check that onnxruntime and PyTorch give the same results for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from camser.inference.onnx_session import BEFORE, open_session, unavailable_reason

# Of a log-probability; usual float32 differences are a hundredth of it. Noise may lie far from what
# a classifier of standardized features was fitted to: of values beyond -1, it is a share.
TOLERANCE = 1e-3
SEGMENTS = ([0.1], [2.0, 0.3, 3.2])  # lengths of the utterances in each compared batch
WHOLE = ([0.05], [0.2, 0.03, 1.1])  # the same, where segments are long


@torch.no_grad()
def check_onnx_outputs(written: bytes, folder: Path, whole: Any) -> None:
    """Compare both runtimes on noise; without a usable onnxruntime, do nothing.

    The exporter of torch can be wrong without an error, e.g. if a plugin divides a negative size.

    Arguments
    ---------
    written : bytes
        The serialized ONNX model.
    folder : Path
        The folder of its weights, if they are in a second file.
    whole : Module
        The model in PyTorch: wavs, lens, before -> log-probabilities and embeddings.

    Raises
    ------
    ValueError
        If the results differ.
    """
    if unavailable_reason():
        return
    session = open_session(written, folder=folder)
    generator = torch.Generator().manual_seed(0)
    device = whole.device
    for lengths in WHOLE if whole.embedding_model.trims_padding else SEGMENTS:
        samples = round(max(lengths) * whole.embedding_model.segment_samples)
        wavs = torch.randn(len(lengths), samples, generator=generator) / 10
        lens = torch.tensor(lengths) / max(lengths)
        inputs = {"wavs": wavs, "lens": lens, BEFORE: wavs[:, -1]}
        actual = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]
        expected = whole(*(value.to(device) for value in inputs.values()))[0].cpu()
        difference = float((expected - torch.from_numpy(actual)).abs().max())
        allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
        if not difference <= allowed:
            raise ValueError(
                f"the model as ONNX is wrong: its log-probabilities are off by {difference:.2g} "
                f"for utterances of {lengths} segments, allowed: {allowed:.2g}. The built-in "
                f"encoders and fusions are tested; check the plugins"
            )
