"""The ONNX file of an exported model, used instead of its PyTorch model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from camser.inference.onnx_session import EMBEDDINGS, OnnxSession
from camser.segments import Hops


class OnnxEncoder(nn.Module):
    """Utterances to embeddings, like ``UtteranceEncoder``, with onnxruntime on the CPU.

    Arguments
    ---------
    path : Path
        As for ``OnnxSession``.
    threads : int, optional
        Threads per operator; by default as many as PyTorch uses.
    embedding_size : int, optional
        Expected size of each embedding.
    trims_padding : bool
        As for ``MultimodalEncoder``.
    hop_samples, utterance_rule : optional
        As for ``UtteranceEncoder``.

    Raises
    ------
    ExportError
        As ``OnnxSession``.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        embedding_size: int | None = None,
        trims_padding: bool = False,
        hop_samples: Hops | None = None,
        utterance_rule: str = "mean",
    ) -> None:
        super().__init__()
        self.trims_padding = trims_padding
        self.hop_samples, self.utterance_rule = hop_samples, utterance_rule
        threads = threads or torch.get_num_threads()
        self.graph = OnnxSession(path, threads, EMBEDDINGS, embedding_size)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OnnxEncoder:
        device = fn(torch.empty(0)).device
        if device.type != "cpu":
            raise ValueError(f"onnxruntime runs only on the CPU; give engine='torch' for {device}")
        return super()._apply(fn, recurse)

    def forward(
        self, wavs: Tensor, lens: Tensor | None = None, num_samples: Tensor | None = None
    ) -> Tensor:
        """[utterances, samples], relative lengths [utterances] -> [utterances, embedding_size]

        Without lengths: segments with the sample before each, [segments, 1 + samples], and
        their numbers of real samples, [segments]; by default all.
        """
        if lens is None:
            counts = None if num_samples is None else num_samples.cpu().numpy()
            return torch.from_numpy(self.graph.of_segments(_array(wavs), counts))
        return torch.from_numpy(self.graph.run(wavs=_array(wavs), lens=_array(lens)))

    def max_segments(self) -> None:
        """As ``UtteranceEncoder``'s: as many as fit into memory."""

    def intermediates(self, *segments: Any) -> NoReturn:
        """Raise a ValueError, since a graph returns no intermediate results."""
        raise ValueError(
            f"{self.graph.path.name} gives embeddings, but no intermediate results; load the "
            f"model with engine='torch'"
        )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
