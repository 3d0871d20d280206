"""The BLSTMs of BLSTM-CTC-CA, Zhao et al., 2019, and of RNN-ELM, Lee and Tashev, 2015."""

from __future__ import annotations

from torch import Tensor

from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.base import FrontEnd
from camser_rivals.front_ends.descriptors import Descriptors
from camser_rivals.front_ends.log_mel import LogMel
from camser_rivals.layers.blstm import BLSTM
from camser_rivals.layers.padding import FrameStandardization


class StandardizedBLSTM(FeatureEncoder):
    """Features with zero mean and unit variance in the training data, through a BLSTM."""

    def __init__(
        self,
        features: FrontEnd,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        **config: int,
    ) -> None:
        sizes = {"hidden_size": hidden_size, "num_layers": num_layers, "dropout": dropout}
        super().__init__(features, **sizes, **config)
        self.scale = FrameStandardization(features.num_features)
        self.blstm = BLSTM(features.num_features, hidden_size, num_layers, dropout)
        self.out_channels = 2 * hidden_size

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, frames, features] -> [segments, frames, 2 * hidden_size]"""
        lengths = self.real_steps(num_samples)
        return self.blstm(self.scale(features, lengths), lengths)


class LogMelBLSTM(StandardizedBLSTM):
    """Log-mel bands through a BLSTM, after Zhao et al., Interspeech 2019.

    "Attention-enhanced Connectionist Temporal Classification for Discrete Speech Emotion
    Recognition". 40 bands [notes]; two layers of 128 units in each direction, dropout 0.5 [chosen].
    Its fusion is ``null_pooling`` with ``context: 4``.

    Arguments
    ---------
    hidden_size : int
        Units in each direction.
    num_layers : int
        LSTM layers.
    dropout : float
        Dropout between the layers.
    num_mels : int
        Bands.

    Example
    -------
    >>> import torch
    >>> encoder = LogMelBLSTM(hidden_size=4)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 300, 8]), 300)
    """

    def __init__(
        self,
        hidden_size: int = 128,
        num_layers: int = 2,
        dropout: float = 0.5,
        num_mels: int = 40,
    ) -> None:
        super().__init__(LogMel(num_mels), hidden_size, num_layers, dropout, num_mels=num_mels)


class DescriptorBLSTM(StandardizedBLSTM):
    """The 32 low-level descriptors through a BLSTM, after Lee and Tashev, Interspeech 2015.

    "High-level Feature Representation using Recurrent Neural Network for Speech Emotion
    Recognition". F0, voicing, zero crossings, 12 MFCC, log energy and their slopes [notes]; two
    layers [recalled] of 64 units in each direction [code]. The dropout is [chosen]. Its fusion is
    ``null_pooling`` with ``runs: any``.

    Arguments
    ---------
    hidden_size : int
        Units in each direction.
    num_layers : int
        LSTM layers.
    dropout : float
        Dropout between the layers.

    Example
    -------
    >>> import torch
    >>> encoder = DescriptorBLSTM(hidden_size=4)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 300, 8]), 300)
    """

    def __init__(self, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__(Descriptors(log_energy=True), hidden_size, num_layers, dropout)
