"""wav2vec2 and related models on the raw waveform (eq. 3 of Zou et al., 2022)."""

from __future__ import annotations

import operator
from typing import Any

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoModel

from camser.encoders import pretrained
from camser.encoders.front_end import zero_mean_unit_variance
from camser.encoders.layers import HiddenStateEncoder, num_layers_needed
from camser.encoders.masked_wav2vec2 import masked_hidden_states

MAX_VALUES = 2**31 - 1
TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")


class Wav2Vec2(HiddenStateEncoder):
    """The hidden states of any wav2vec2, HuBERT, WavLM or data2vec-audio checkpoint.

    Arguments
    ---------
    source : str or None
        A hub id or a local folder, for pretrained weights. Give this or ``config``.
    config : dict or None
        transformers' configuration values and their ``model_type``, for random weights.
    freeze : str or None
        "all", "convolutions", or None: everything is trained, as in the paper.
    layer : int, "weighted_sum" or None
        The hidden state to use. 0 is the transformer's input, None the last, normalized if the
        checkpoint does so. "weighted_sum" learns a combination of all. The layers above the
        selected one are removed.
    mask_time_prob, mask_time_length, mask_time_min_masks : optional
        SpecAugment. The default is the checkpoint's own settings, and none if all is frozen.
    mask_feature_prob, mask_feature_length, mask_feature_min_masks : optional
        The same for channels.
    layer_drop : float or None
        Probability that a layer is skipped while training; same default.
    gradient_checkpointing : bool
        Use less memory, at the cost of a second forward pass.
    normalize : bool or None
        Zero mean and unit variance per segment. The default is as the checkpoint was trained.
    preemphasis : float
        Coefficient of the model's filter, see ``Encoder``; 0 disables it.

    Raises
    ------
    ValueError
        If the checkpoint cannot be read, is of another type, or lacks weights.

    Example
    -------
    >>> tiny = {"model_type": "wav2vec2", "hidden_size": 16, "num_hidden_layers": 1,
    ...         "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7,
    ...         "num_conv_pos_embedding_groups": 2, "num_conv_pos_embeddings": 16}
    >>> encoder = Wav2Vec2(config=tiny)
    >>> encoder(torch.randn(1, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([1, 149, 16]), 149)
    """

    depth_name = "num_hidden_layers"
    # The complete transformer compiles too. Layer by layer takes a quarter of the time.
    compiled_submodules = (
        "model.feature_extractor",
        "model.feature_projection",
        "model.encoder.pos_conv_embed",
        "model.encoder.layers.*",
    )

    def __init__(
        self,
        source: str | None = None,
        config: dict[str, Any] | None = None,
        freeze: str | None = None,
        layer: int | str | None = None,
        mask_time_prob: float | None = None,
        mask_time_length: int | None = None,
        mask_time_min_masks: int | None = None,
        mask_feature_prob: float | None = None,
        mask_feature_length: int | None = None,
        mask_feature_min_masks: int | None = None,
        layer_drop: float | None = None,
        gradient_checkpointing: bool = False,
        normalize: bool | None = None,
        preemphasis: float = 0.97,
    ) -> None:
        super().__init__()
        pretrained.check_freeze(freeze, layer_drop)
        self.config = pretrained.resolve_config(source, config, TYPES)
        self.depth = self.config.num_hidden_layers
        self.layer = layer
        self.normalize = _checkpoint_normalizes(source) if normalize is None else normalize
        self.preemphasis = preemphasis
        self.out_channels = self.config.hidden_size
        requested = {
            "mask_time_prob": mask_time_prob,
            "mask_time_length": mask_time_length,
            "mask_time_min_masks": mask_time_min_masks,
            "mask_feature_prob": mask_feature_prob,
            "mask_feature_length": mask_feature_length,
            "mask_feature_min_masks": mask_feature_min_masks,
            "layer_drop": layer_drop,
        }
        self.noise = self._noise(requested, is_frozen=freeze == "all")
        self.model = self._build(source)
        model = self.model
        convolutions = [model.feature_extractor]
        self.finish(freeze, model.encoder.layers, convolutions, gradient_checkpointing)
        if self.has_augmentation:
            model.feature_projection.register_forward_hook(self._mask)
        if layer == "weighted_sum":
            # transformers collects the outputs of layers and attentions by hooks. These do not
            # compile.
            self.compiled_submodules = (
                *self.compiled_submodules[:-1],
                f"{self.compiled_submodules[-1]}.feed_forward",
            )

    def hidden_states(self, segments: Tensor, num_samples: Tensor | None = None) -> list[Tensor]:
        """The selected hidden state, or all: [segments, frames, hidden_size] each"""
        prepared = self._prepare(segments, num_samples)
        if num_samples is not None:
            return masked_hidden_states(self.model, prepared, num_samples)
        output = self.model(prepared, output_hidden_states=self.layer == "weighted_sum")
        # If the last layer is normalized, ``hidden_states`` may contain it before normalization.
        return [*(output.hidden_states or ())[:-1], output.last_hidden_state]

    @property
    def masks_padding(self) -> bool:
        """True, but for checkpoints with an adapter or a batch norm over all frames."""
        names = ("add_adapter", "conv_pos_batch_norm")
        return not any(getattr(self.config, name, False) for name in names)

    def num_frames(self, num_samples: int) -> int:
        """The output length of the convolutions, which must be at least one frame."""
        frames = self._conv_lengths(num_samples)[-1]
        if getattr(self.config, "add_adapter", False):
            for _ in range(self.config.num_adapter_layers):
                frames = (frames - 1) // self.config.adapter_stride + 1
        if frames < 1:
            raise ValueError(
                f"a segment of {num_samples} samples gives no frame; use longer segments"
            )
        return frames

    def max_segments(self, num_samples: int) -> int:
        """GPU kernels count a layer's values in 32 bits; for the paper's 3 s the limit is 436."""
        lengths = self._conv_lengths(num_samples)
        values = map(operator.mul, self.config.conv_dim, lengths)
        return MAX_VALUES // max(1, *values)

    def _conv_lengths(self, num_samples: int) -> list[int]:
        """The output lengths of the convolutions."""
        lengths = [num_samples]
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            lengths.append((lengths[-1] - kernel) // stride + 1)
        return lengths[1:]

    def init_config(self) -> dict[str, Any]:
        """See ``HiddenStateEncoder.init_config``; also whether segments are normalized."""
        return {**super().init_config(), "normalize": self.normalize}

    @fwd_default_precision(cast_inputs=torch.float32)
    def _prepare(self, segments: Tensor, num_samples: Tensor | None) -> Tensor:
        return zero_mean_unit_variance(segments, num_samples) if self.normalize else segments

    def _noise(self, requested: dict[str, Any], is_frozen: bool) -> dict[str, Any]:
        """SpecAugment and layer drop: as requested, else as in the checkpoint, else none."""
        noise = {}
        for name, value in requested.items():
            # WavLM has no mask_feature_min_masks.
            own = getattr(self.config, name.replace("layer_drop", "layerdrop"), 0)
            masks_nothing = "mask" in name and not getattr(self.config, "apply_spec_augment", True)
            if name.endswith(("prob", "drop")) and (is_frozen or masks_nothing):
                own = 0.0
            noise[name] = own if value is None else value
        return noise

    def _build(self, source: str | None) -> Any:
        """The model without the layers above the selected one and without transformers' noise."""
        num_layers = num_layers_needed(self.layer, self.depth)
        self.config.num_hidden_layers = num_layers
        self.config.layerdrop = 0.0
        self.config.apply_spec_augment = False
        # If this is positive, transformers creates the embedding that fills masked frames.
        self.config.mask_time_prob = self.noise["mask_time_prob"]
        self.config.mask_feature_prob = 0.0
        if source is None:
            model = pretrained.init_from_config(AutoModel.from_config, self.config)
        else:
            model = pretrained.load_weights(AutoModel, source, self.config)
        # Otherwise it marks its input as trained, for a checkpointing mode that is not used here.
        model.feature_extractor._requires_grad = False
        if num_layers < self.depth and getattr(self.config, "do_stable_layer_norm", False):
            model.encoder.layer_norm = nn.Identity()  # it belongs to the last layer only
        return model

    def _mask(self, module: nn.Module, inputs: tuple, output: Any) -> Any:
        fill = getattr(self.model, "masked_spec_embed", None)
        if isinstance(output, tuple):
            return (self.augment(output[0], fill), *output[1:])
        return self.augment(output, fill)


def _checkpoint_normalizes(source: str | None) -> bool:
    """Whether a checkpoint was trained on standardized segments; random weights: yes."""
    if source is None:
        return True
    try:
        return bool(AutoFeatureExtractor.from_pretrained(source).do_normalize)
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(
            f"cannot determine if {source!r} needs normalized input (no readable "
            f"preprocessor_config.json: {error}); set normalize: true or false"
        ) from error
