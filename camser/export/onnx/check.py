"""Whether onnxruntime gets from an exported model what PyTorch gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camser.inference.onnx_encoder import unavailable_reason

TOLERANCE = 1e-3  # of a log-probability; two runtimes in float32 differ by a hundredth of it
SEGMENTS = ([0.1], [2.0, 0.3, 3.2])  # the batches compared, as lengths


@torch.no_grad()
def check_onnx_outputs(written: bytes, folder: Path, whole: Any) -> None:
    """Compare on noise, where there is an onnxruntime that can be used; elsewhere, do nothing.

    torch's exporter can be wrong without a word, e.g. where a plugin divides a negative size.

    Arguments
    ---------
    written : bytes
        The model.
    folder : Path
        Where its weights are, if they are in a file of their own.
    whole : Module
        The model in PyTorch: wavs, lens -> log-probabilities and embeddings.

    Raises
    ------
    ValueError
        If the results differ.
    """
    if unavailable_reason():
        return
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder.resolve())
    )
    session = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    for lengths in SEGMENTS:
        wavs, lens = _batch(whole, lengths, generator)
        theirs = session.run(None, {"wavs": wavs.cpu().numpy(), "lens": lens.cpu().numpy()})[0]
        ours = whole(wavs, lens)[0].cpu()
        difference = float((ours - torch.from_numpy(theirs)).abs().max())
        if not difference <= TOLERANCE:
            raise ValueError(
                f"the model as ONNX is wrong: its log-probabilities are off by {difference:.2g} "
                f"for utterances of {lengths} segments, more than {TOLERANCE}. The built-in "
                f"encoders and fusions are right; look into the plugins"
            )


def _batch(whole: Any, lengths: list[float], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    device = whole.classifier.linear.weight.device
    samples = round(max(lengths) * whole.embedding_model.segment_samples)
    wavs = torch.randn(len(lengths), samples, generator=generator) / 10
    return wavs.to(device), (torch.tensor(lengths) / max(lengths)).to(device)
