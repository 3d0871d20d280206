"""Vectors of recordings: frozen features, by which labels are guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from camser.build import build_model

FEATURES: dict[str, Any] = {"plugin": "camser:mfcc_statistics"}


class Vectorizer:
    """The pooled frames of an encoder that is not trained, as back ends get them.

    Arguments
    ---------
    encoder : mapping
        The encoder's table in a recipe.

    Attributes
    ----------
    kind : str
        The encoder with all its parameters.

    Example
    -------
    >>> Vectorizer()(np.zeros(50000, np.float32)).shape
    (200,)
    """

    def __init__(self, encoder: Mapping[str, Any] = FEATURES) -> None:
        fusions = {"pooled": {"plugin": "camser:concat", "projection_size": None}}
        self.model = build_model(
            ["encoder"], {"encoder": encoder}, "pooled", fusions, segment_seconds=None,
            hidden_sizes=[], mask_padding=True,
        ).eval()  # fmt: skip
        self.kind = f"vector, {json.dumps(self.model.architecture)}"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """[samples] at 16 kHz -> [features], float32"""
        waves, lengths = torch.from_numpy(samples).unsqueeze(0), torch.ones(1)
        with torch.no_grad():
            return self.model(waves, lengths)[0].numpy()

    def from_bytes(self, stored: bytes | None) -> np.ndarray | None:
        """A vector that was stored; None if there is none of this size."""
        size = self.model.embedding_size * 4
        return np.frombuffer(stored, np.float32) if stored and len(stored) == size else None
