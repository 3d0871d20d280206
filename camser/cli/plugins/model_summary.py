"""The components of a model, their sizes and parameters, as plain values.

The attention and the concatenation of a fusion are found from its outputs and gradients. So a
fusion needs no attributes that describe them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.fusion.base import Fusion
from camser.heads import Head
from camser.model import UtteranceEncoder, count_parameters


def summarize_model(
    model: UtteranceEncoder, head: Head, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """The components of a model in the order in which data flows.

    Arguments
    ---------
    model : UtteranceEncoder
        Built by ``build_model``.
    head : EmotionHead or ScoreHead
        Its head.
    labels : sequence of str
        The emotions, in the head's order.

    Returns
    -------
    dict
        ``segment_seconds``, ``segment_samples`` and ``whole_utterances``, whether these are the
        longest segment's; ``encoders``, by modality; ``fusion``, with
        its ``parts`` by modality; ``hidden``; ``head``; ``total``. Each has ``parameters`` and how
        many of them are ``trained``.

    Raises
    ------
    ValueError
        If the head does not fit the embeddings.
    """
    counts = {
        name: {"parameters": total, "trained": trained}
        for name, (total, trained) in count_parameters(model, head).items()
    }
    name = model.architecture["fusion"]
    pooling = model.architecture["fusions"][name].get("pooling") or {}
    origins = {
        component: {
            "plugin": registry.qualified_name(origin),
            "distribution": origin["distribution"],
            "version": origin["version"],
        }
        for component, origin in model.plugins.items()
    }
    return {
        "segment_seconds": model.segment_samples / SAMPLE_RATE,
        "segment_samples": model.segment_samples,
        "whole_utterances": model.architecture["segment_seconds"] is None,
        "encoders": {
            modality: {
                **origins[modality],
                "frames": [spec.num_frames, spec.channels],
                "pooling": pooling.get(modality, spec.pooling),
                "standardised": spec.standardize,
                **counts[modality],
            }
            for modality, spec in model.fusion.specs.items()
        },
        "fusion": {
            "name": name,
            **origins[name],
            "parts": summarize_fusion(model.fusion),
            "out_features": model.fusion.out_features,
            **counts["fusion"],
        },
        "hidden": {
            "sizes": [m.out_features for m in model.hidden.modules() if isinstance(m, nn.Linear)],
            **counts["hidden"],
        },
        "embedding_size": model.embedding_size,
        "utterance_rule": model.utterance_rule,
        "head": {"labels": list(labels), "classes": _classes(model, head), **counts["head"]},
        "total": counts["total"],
    }


def summarize_fusion(fusion: Fusion) -> dict[str, dict[str, Any]]:
    """How a fusion uses each modality.

    Arguments
    ---------
    fusion : Fusion
        Of any plugin; it is left in evaluation mode.

    Returns
    -------
    dict of str to dict
        By modality: ``features`` of its projection, None without one; ``weighed_by``, the other
        modalities that the weights of its frames depend on, None where they have no weights; and
        ``is_fused``, false where its projection is left out of a concatenation.

    Example
    -------
    >>> from camser.encoders import FrameSpec
    >>> from camser.fusion.co_attention import CoAttention
    >>> specs = {"a": FrameSpec(4, 3, "mean"), "b": FrameSpec(5, 2, "mean")}
    >>> sizes = {"output_modalities": ["b"], "projection_size": 8}
    >>> fusion = CoAttention(specs, guides=["a"], target="b", **sizes)
    >>> modalities = summarize_fusion(fusion)
    >>> modalities["a"]["is_fused"], modalities["b"]["weighed_by"]
    (False, ['a'])
    """
    fusion.eval()
    draw = torch.Generator().manual_seed(0)
    frames = {
        name: torch.randn(1, spec.num_frames, spec.channels, generator=draw, requires_grad=True)
        for name, spec in fusion.specs.items()
    }
    with torch.no_grad():
        projections, fused = fusion.projections(frames), fusion(frames)
    weights = fusion.attention_weights(frames)
    concatenated = _concatenated(projections, fused)
    return {
        name: {
            "features": projections[name].shape[1] if name in projections else None,
            "weighed_by": _dependencies(name, weights[name], frames) if name in weights else None,
            "is_fused": name in concatenated or not projections,
        }
        for name in fusion.specs
    }


def _dependencies(target: str, weights: Tensor, frames: Mapping[str, Tensor]) -> list[str]:
    """The other modalities that the weights of the target's frames depend on."""
    if not weights.requires_grad:
        return []
    gradients = torch.autograd.grad(
        weights.sum(), list(frames.values()), allow_unused=True, retain_graph=True
    )
    pairs = zip(frames, gradients, strict=True)
    return [name for name, gradient in pairs if gradient is not None and name != target]


def _concatenated(projections: Mapping[str, Tensor], fused: Tensor) -> list[str]:
    """The modalities whose projections the fused vector joins; all if it is no concatenation."""
    names: list[str] = []
    start = 0
    for name, projection in projections.items():
        end = start + projection.shape[1]
        if torch.equal(fused[:, start:end], projection):
            names, start = [*names, name], end
    return names if start == fused.shape[1] else list(projections)


@torch.no_grad()
def _classes(model: UtteranceEncoder, head: Head) -> int:
    try:
        return head(torch.zeros(1, model.embedding_size)).shape[1]
    except RuntimeError as error:
        raise ValueError(
            f"the head does not take embeddings of {model.embedding_size} features ({error}); give "
            f"it the size of the last hidden layer"
        ) from error
