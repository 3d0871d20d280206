"""wav2vec2 and related models on real samples alone, with transformers' own layers.

Their own attention mask does not reach the norm over time of the first convolution, and
transformers reads it on the host at each step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.masks import length_mask, zero_padding

NO_ATTENTION = -1e4  # exp of it is 0; unlike an infinity, it may be multiplied by a gate's gradient


def masked_hidden_states(model: Any, segments: Tensor, num_samples: Tensor) -> list[Tensor]:
    """All hidden states, those of real frames as if the segments ended with them.

    Arguments
    ---------
    model : Module
        transformers' model, as ``Wav2Vec2`` builds it.
    segments : Tensor
        [segments, samples], 0 behind the real samples.
    num_samples : Tensor
        [segments], the real samples of each.

    Returns
    -------
    list of Tensor
        [segments, frames, hidden_size] each; padding frames have no meaning.
    """
    encoder, config = model.encoder, model.config
    features, lengths = _convolve(model, segments, num_samples)
    projected = model.feature_projection(features.transpose(1, 2))
    states = projected[0] if isinstance(projected, tuple) else projected
    states = zero_padding(states, lengths)
    states = states + _positions(encoder.pos_conv_embed, states, lengths)
    is_stable = getattr(config, "do_stable_layer_norm", False)
    if not is_stable:
        states = encoder.layer_norm(states)
    states = encoder.dropout(states)
    history = [states]
    if len(encoder.layers):
        masks = _attention_masks(config.model_type, encoder.layers[0], states, lengths)
    for layer in encoder.layers:
        output = layer(states, **masks)
        states = output[0] if isinstance(output, tuple) else output
        history.append(states)
    if is_stable:
        history[-1] = encoder.layer_norm(states)
    return history


def _convolve(model: Any, segments: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
    """Features [segments, channels, frames], and how many frames of each segment are real"""
    features, lengths = segments.unsqueeze(1), num_samples
    kernels, strides = model.config.conv_kernel, model.config.conv_stride
    convolutions = zip(model.feature_extractor.conv_layers, kernels, strides, strict=True)
    for layer, kernel, stride in convolutions:
        lengths = ((lengths - kernel) // stride + 1).clamp(min=1)
        norm = getattr(layer, "layer_norm", None)
        if isinstance(norm, nn.GroupNorm):
            features = layer.activation(_normalize(norm, layer.conv(features), lengths))
        else:
            features = layer(features)
    return features, lengths


def _normalize(norm: nn.GroupNorm, features: Tensor, lengths: Tensor) -> Tensor:
    """The norm, which has a group for each channel, over the real frames."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    counts = lengths.view(-1, 1, 1)
    mean = zero_padding(wide, lengths, dim=2).sum(dim=2, keepdim=True) / counts
    centered = zero_padding(wide - mean, lengths, dim=2)
    variance = centered.square().sum(dim=2, keepdim=True) / counts
    normalized = centered * (variance + norm.eps).rsqrt()
    return normalized * norm.weight.unsqueeze(1) + norm.bias.unsqueeze(1)


def _positions(embedding: Any, states: Tensor, lengths: Tensor) -> Tensor:
    """Positions by convolutions, between which padding is 0 as behind a segment's end."""
    if not hasattr(embedding, "layers"):
        return embedding(states)
    positions = states.transpose(1, 2)
    for layer in embedding.layers:  # of data2vec
        positions = zero_padding(layer(positions), lengths, dim=2)
    return positions.transpose(1, 2)


def _attention_masks(kind: str, layer: Any, states: Tensor, lengths: Tensor) -> dict[str, Tensor]:
    """The argument by which a type's layers ignore padding frames."""
    is_real = length_mask(lengths, states.shape[1])[:, None, None]
    if kind != "wavlm":
        return {"attention_mask": is_real}
    # torch warns if the mask and WavLM's bias, which has a row for each head, are two tensors.
    bias = layer.attention.compute_bias(states.shape[1], states.shape[1])
    return {"position_bias": bias.unsqueeze(0).masked_fill(~is_real, NO_ATTENTION).flatten(0, 1)}
