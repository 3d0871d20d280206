"""AlexNet's convolutions on an image, and their pretrained weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from camser.encoders.masks import at_least, zero_padding

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
SIDE = 256  # pixels of the shorter side of an image
GRID = 6  # AlexNet's avgpool gives 6 x 6 whatever the image's size
MIN_PIXELS = 63  # of a side, for one position of the last map


class AlexNet(nn.Sequential):
    """AlexNet's layers on a one-channel image, resized and normalized like ImageNet's images."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        deviation = torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, image: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """[segments, bins, frames] in [0, 1] -> [segments, 256, 6, 6]: bands, time

        With ``num_frames`` [segments], the map is that of the image's first columns, so many of
        each segment. The scale then does not depend on the columns.
        """
        if num_frames is not None:
            return self._masked(image, num_frames)
        scale = SIDE / min(image.shape[1:])
        size = [round(side * scale) for side in image.shape[1:]]
        image = nn.functional.interpolate(image.unsqueeze(1), size=size, mode="bilinear")
        return super().forward((image - self.mean) / self.deviation)

    def _masked(self, image: Tensor, num_frames: Tensor) -> Tensor:
        bins, frames = image.shape[1:]
        # Columns that become a whole number of pixels, so that the scale is exact.
        step, fewest = bins // math.gcd(bins, SIDE), MIN_PIXELS * bins // SIDE + 1
        width = (at_least(frames, fewest) + step - 1) // step * step
        column = torch.arange(width, device=image.device).expand(image.shape[0], 1, width)
        nearest = column.minimum(num_frames.view(-1, 1, 1) - 1)  # the last one is repeated
        image = image.gather(2, nearest.expand(-1, bins, -1)).unsqueeze(1)
        size = [SIDE, width * SIDE // bins]
        image = nn.functional.interpolate(image, size=size, mode="bilinear")
        maps, counts = (image - self.mean) / self.deviation, num_frames * SIDE // bins
        features, pool = cast(Any, self)
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                maps = zero_padding(maps, counts, dim=3)
            maps = layer(maps)
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
                kernel, stride, padding = map(_across, _geometry(layer))
                counts = ((counts + 2 * padding - kernel) // stride + 1).clamp(min=1)
        return pool(maps, counts)


def _geometry(layer: Any) -> tuple[Any, Any, Any]:
    return layer.kernel_size, layer.stride, layer.padding


def _across(size: int | tuple[int, int]) -> int:
    return size[1] if isinstance(size, tuple) else size


def convolutions() -> nn.Module:
    """AlexNet's ``features`` with random weights; its large classifier is not initialized."""
    with torch.device("meta"):
        features = torchvision.models.alexnet(weights=None).features
    features.to_empty(device="cpu")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return features


def pretrained_features(weights: str, convolutions: nn.Module) -> dict[str, Tensor]:
    """The weights of AlexNet's convolutions, their ``features.`` prefix removed."""
    try:
        if weights == "imagenet":
            state = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
        else:
            state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"the weights {str(weights)!r} cannot be read ({error}); give "
            f"'imagenet' (downloaded once, by torchvision), the path of a safetensors file with "
            f"features.* keys, or null for random weights"
        ) from error
    state = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    expected = convolutions.state_dict()
    mismatched = [k for k in expected if k not in state or state[k].shape != expected[k].shape]
    if mismatched:
        raise ValueError(
            f"{Path(weights).name} is not AlexNet's: missing or of another "
            f"size: {', '.join(f'features.{k}' for k in mismatched)}"
        )
    return {k: state[k].float() for k in expected}
