"""An encoder whose front end is one of this package's."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from camser.encoders import Encoder
from camser.encoders.masks import given
from camser_rivals.front_ends.base import FrontEnd


class FeatureEncoder(Encoder):
    """Features of a front end through a network, which a subclass defines as ``back_end``.

    Arguments
    ---------
    features : FrontEnd
        The front end.
    **config
        The arguments of the subclass' constructor.
    """

    def __init__(self, features: FrontEnd, **config: Any) -> None:
        super().__init__()
        self.features, self.config = features, config

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, steps, features], see ``FrontEnd``"""
        return self.features(segments, *given(num_samples))

    def num_cached_steps(self, num_samples: int) -> int:
        """The steps of the front end."""
        return self.features.num_frames(num_samples)

    def real_steps(self, num_samples: Tensor | None) -> Tensor | None:
        """The steps of real samples, [segments]; None if padding is not masked."""
        return None if num_samples is None else self.features.real_frames(num_samples)

    def num_frames(self, num_samples: int) -> int:
        """As many as the front end's; a segment has at least one."""
        return self.features.num_frames(num_samples)

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(self.config)

    def fewer_frames(self, num_samples: int, window: int, hop: int) -> int:
        """The whole windows of ``window`` steps, one every ``hop``, of a segment.

        Raises
        ------
        ValueError
            If it has none.
        """
        steps = num_samples // self.features.hop_samples
        if steps < window:
            raise ValueError(
                f"a segment of {num_samples} samples; allowed: "
                f"{window * self.features.hop_samples} and more"
            )
        return (steps - window) // hop + 1
