"""Whisper's encoder on short segments, without padding them to 30 s (Radford et al., 2023)."""

from __future__ import annotations

from typing import Any

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import WhisperModel
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from camser.encoders import pretrained
from camser.encoders.layers import HiddenStateEncoder, num_layers_needed
from camser.encoders.masks import length_mask, zero_padding

N_FFT, HOP_SAMPLES, SAMPLE_RATE = 400, 160, 16000  # the same in every Whisper checkpoint


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram, equal to ``WhisperFeatureExtractor`` on the same samples.

    Arguments
    ---------
    num_mels : int
        80, or 128 in large-v3.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        filters = mel_filter_bank(
            N_FFT // 2 + 1, num_mels, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, "slaney", "slaney"
        )
        filters = torch.tensor(filters, dtype=torch.float32).T.contiguous()
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, mels, frames], in float32.

        With ``num_samples``, silence is behind each segment, as in Whisper's own 30 s, and frames
        that are not real are 0, as the convolutions' padding.
        """
        centered = num_samples is None
        if not centered:
            reflected = nn.functional.pad(segments, (N_FFT // 2, 0), mode="reflect")
            segments = nn.functional.pad(reflected, (0, N_FFT // 2))
        spectrum = torch.stft(
            segments, N_FFT, HOP_SAMPLES, window=self.window, center=centered, return_complex=True
        )
        mels = self.filters @ spectrum[..., :-1].abs().square()
        if num_samples is not None:  # only real frames may set the floor
            mels = zero_padding(mels, real_mels(num_samples), dim=2)
        logs = mels.clamp_min(1e-10).log10()
        floor = logs.amax(dim=(1, 2), keepdim=True) - 8.0
        normalized = (torch.maximum(logs, floor) + 4.0) / 4.0
        if num_samples is None:
            return normalized
        return zero_padding(normalized, real_mels(num_samples), dim=2)


def real_mels(num_samples: Tensor) -> Tensor:
    """The mel frames of real samples, [segments]."""
    return (num_samples // HOP_SAMPLES).clamp(min=1)


class Whisper(HiddenStateEncoder):
    """The encoder of any Whisper checkpoint, on segments of up to 30 s.

    A segment of 3 s has 150 frames. They get the checkpoint's first 150 positions.

    Arguments
    ---------
    source : str or None
        A hub id or a local folder (complete model or encoder only). Give this or ``config``.
    config : dict or None
        transformers' configuration values with ``model_type: whisper``, for random weights.
    freeze : str or None
        "all", "convolutions", or None: everything is trained.
    layer : int, "weighted_sum" or None
        The hidden state to use. 0 is the transformer's input, None the last, normalized.
        "weighted_sum" learns a combination of all.
    mask_time_prob, mask_time_length, mask_time_min_masks : float, int, int or None
        SpecAugment on the log-mel spectrogram; off by default, as in the checkpoints. None is the
        checkpoint's smallest number of spans.
    mask_feature_prob, mask_feature_length, mask_feature_min_masks : float, int, int or None
        The same for mel bands.
    layer_drop : float
        Probability that a layer is skipped while training.
    gradient_checkpointing : bool
        Use less memory, at the cost of a second forward pass.
    preemphasis : float
        Coefficient of the model's filter, see ``Encoder``; 0, the default, disables it: the
        checkpoints were trained without.

    Raises
    ------
    ValueError
        If the checkpoint cannot be read, is of another type, or lacks weights.

    Example
    -------
    >>> tiny = {"model_type": "whisper", "d_model": 16, "encoder_layers": 1, "encoder_ffn_dim": 32,
    ...         "encoder_attention_heads": 2}
    >>> encoder = Whisper(config=tiny)
    >>> encoder(torch.randn(1, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([1, 150, 16]), 150)
    """

    depth_name = "encoder_layers"
    compiled_submodules = ("model.layers.*",)

    def __init__(
        self,
        source: str | None = None,
        config: dict[str, Any] | None = None,
        freeze: str | None = None,
        layer: int | str | None = None,
        mask_time_prob: float = 0.0,
        mask_time_length: int = 10,
        mask_time_min_masks: int | None = None,
        mask_feature_prob: float = 0.0,
        mask_feature_length: int = 10,
        mask_feature_min_masks: int | None = None,
        layer_drop: float = 0.0,
        gradient_checkpointing: bool = False,
        preemphasis: float = 0.0,
    ) -> None:
        super().__init__()
        pretrained.check_freeze(freeze, layer_drop)
        self.config = pretrained.resolve_config(source, config, ("whisper",))
        self.depth = self.config.encoder_layers
        self.layer = layer
        self.preemphasis = preemphasis
        self.out_channels = self.config.d_model
        if mask_time_min_masks is None:
            mask_time_min_masks = self.config.mask_time_min_masks
        if mask_feature_min_masks is None:
            mask_feature_min_masks = self.config.mask_feature_min_masks
        self.noise = {
            "mask_time_prob": mask_time_prob,
            "mask_time_length": mask_time_length,
            "mask_time_min_masks": mask_time_min_masks,
            "mask_feature_prob": mask_feature_prob,
            "mask_feature_length": mask_feature_length,
            "mask_feature_min_masks": mask_feature_min_masks,
            "layer_drop": layer_drop,
        }
        self.mel = LogMel(self.config.num_mel_bins)
        self.model = self._build(source)
        convolutions = [self.model.conv1, self.model.conv2]
        self.finish(freeze, self.model.layers, convolutions, gradient_checkpointing)

    def hidden_states(self, segments: Tensor, num_samples: Tensor | None = None) -> list[Tensor]:
        """All hidden states: [segments, frames, d_model] each"""
        mels = self.mel(segments, num_samples)
        mels = self.augment(mels.transpose(1, 2)).transpose(1, 2)
        # transformers' own forward accepts only 30 s.
        model, mask = self.model, None
        states = gelu(model.conv1(mels))
        if num_samples is not None:
            states = zero_padding(states, real_mels(num_samples), dim=2)
        states = gelu(model.conv2(states)).transpose(1, 2)
        if num_samples is not None:
            real_frames = (real_mels(num_samples) + 1) // 2
            mask = length_mask(real_frames, states.shape[1])[:, None, None]  # of the keys
        states = states + model.embed_positions.weight[: states.shape[1]]
        states = nn.functional.dropout(states, self.config.dropout, model.training)
        history = [states]
        for block in model.layers:
            output = block(states, mask)
            states = output[0] if isinstance(output, tuple) else output
            history.append(states)
        return [*history[:-1], model.layer_norm(states)]

    def num_frames(self, num_samples: int) -> int:
        """Half the mel frames. At least 201 samples, at most the checkpoint's positions."""
        frames = -(-(num_samples // HOP_SAMPLES) // 2)
        if num_samples <= N_FFT // 2 or frames > self.config.max_source_positions:
            longest = self.config.max_source_positions * 2 * HOP_SAMPLES
            raise ValueError(
                f"a segment of {num_samples} samples; allowed: {N_FFT // 2 + 1} … {longest}"
            )
        return frames

    def _build(self, source: str | None) -> Any:
        """The encoder without the layers above the selected one."""
        num_layers = num_layers_needed(self.layer, self.depth)
        self.config.encoder_layers = num_layers
        if source is None:
            encoder = pretrained.init_from_config(WhisperEncoder, self.config)
        elif "WhisperEncoder" in (self.config.architectures or ()):
            encoder = pretrained.load_weights(WhisperEncoder, source, self.config)
        else:
            encoder = pretrained.load_weights(WhisperModel, source, self.config).encoder
        if num_layers < self.depth:
            encoder.layer_norm = nn.Identity()  # it belongs to the last layer only
        return encoder
