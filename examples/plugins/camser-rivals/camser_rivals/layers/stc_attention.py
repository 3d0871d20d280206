"""Spectro-temporal-channel attention of Guo et al., ICASSP 2021."""

from __future__ import annotations

from torch import Tensor, nn

ORDERS = ("parallel", "serial")


class STCAttention(nn.Module):
    """Weighs a convolution's maps F along channel, time and frequency.

    The abstract says that attention maps of the three are put into a CNN. The form is [chosen]:
    with means over the two other axes,

        M_c = W_2 ReLU(W_1 mean(F))            of each channel, after 1/8 as many hidden units
        M_t, M_f = 7-tap convolutions of mean(F)        of each frame, of each bin
        F (1 + sigmoid(M_c + M_t + M_f))       in parallel; or serial, one factor after the other

    Arguments
    ---------
    channels : int
        Maps, a multiple of 8.
    order : str
        "parallel" or "serial".

    Raises
    ------
    ValueError
        If an argument is not allowed.
    """

    def __init__(self, channels: int, order: str = "parallel") -> None:
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"order is {order!r}; allowed: {', '.join(ORDERS)}")
        if channels < 8 or channels % 8:
            raise ValueError(f"{channels} channels; allowed: multiples of 8")
        self.is_serial = order == "serial"
        self.channel = nn.Sequential(
            nn.Linear(channels, channels // 8), nn.ReLU(), nn.Linear(channels // 8, channels)
        )
        self.time = nn.Conv1d(1, 1, 7, padding=3)
        self.frequency = nn.Conv1d(1, 1, 7, padding=3)

    def forward(self, maps: Tensor) -> Tensor:
        """[items, channels, bins, frames] -> the same shape"""
        scores = [self._channel_scores, self._frame_scores, self._bin_scores]
        if self.is_serial:
            for score in scores:
                maps = maps * (1 + score(maps).sigmoid())
            return maps
        channel, frame, frequency = (score(maps) for score in scores)
        return maps * (1 + (channel + frame + frequency).sigmoid())

    def _channel_scores(self, maps: Tensor) -> Tensor:
        return self.channel(maps.mean(dim=(2, 3)))[..., None, None]

    def _frame_scores(self, maps: Tensor) -> Tensor:
        return self.time(maps.mean(dim=(1, 2)).unsqueeze(1)).unsqueeze(2)

    def _bin_scores(self, maps: Tensor) -> Tensor:
        return self.frequency(maps.mean(dim=(1, 3)).unsqueeze(1)).unsqueeze(3)
