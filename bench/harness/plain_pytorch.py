"""The plain way: the paper's system as one would write it in an afternoon, without camser.

Its parts: a map-style Dataset with librosa's MFCC and spectrogram for each segment, torch's
DataLoader, ``nn.LSTM``, torchvision's AlexNet, transformers' ``Wav2Vec2Model``, plain AdamW,
everything eager and in float32, and ``loss.item()`` at each step. Nothing of camser's model is in
it; it is the other side of every ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import librosa
import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import normalize, resize
from transformers import Wav2Vec2Config, Wav2Vec2Model

RATE, SEGMENT = 16000, 48000
Features = tuple[Tensor, Tensor, Tensor]


def preemphasized(wave: np.ndarray) -> np.ndarray:
    """[samples] -> [samples]"""
    return librosa.effects.preemphasis(wave, coef=0.97).astype(np.float32)


def mfcc(wave: np.ndarray) -> Tensor:
    """[samples] -> [frames, 40], frames of unit length"""
    found = librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=40, htk=True, hop_length=160)
    return torch.from_numpy(librosa.util.normalize(found[:, : len(wave) // 160], norm=2, axis=0).T)


def spectrogram(wave: np.ndarray) -> Tensor:
    """[samples] -> [200, frames]: decibels below the loudest, scaled to [0, 1]"""
    spectrum = librosa.stft(
        wave, n_fft=800, win_length=640, hop_length=160, window="hamming", pad_mode="constant"
    )
    magnitude = np.abs(spectrum)[:, : len(wave) // 160]
    decibels = librosa.amplitude_to_db(magnitude, ref=np.max, top_db=80)[:200]
    return torch.from_numpy((decibels / 80 + 1)[::-1].copy())


def picture(wave: np.ndarray) -> Tensor:
    """[samples] -> [3, 256, width]: the spectrogram as AlexNet wants its images"""
    image = resize(spectrogram(wave).unsqueeze(0), [256], antialias=False).expand(3, -1, -1)
    return normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def features(wave: np.ndarray) -> Features:
    """A segment [samples] -> what the three encoders take."""
    wave = preemphasized(wave)
    standard = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    return torch.from_numpy(standard), mfcc(wave), picture(wave)


class Segments(Dataset):
    """(features, label) of the segments of a corpus: [(path, first second, label), …]."""

    def __init__(self, segments: Sequence[tuple[Path, float, int]]) -> None:
        self.segments = list(segments)

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, position: int) -> tuple[Features, int]:
        path, start, label = self.segments[position]
        wave, _ = librosa.load(path, sr=RATE, offset=start, duration=SEGMENT / RATE)
        return features(librosa.util.fix_length(wave, size=SEGMENT)), label


class Plain(nn.Module):
    """The paper's model (section 2): three encoders, co-attention, a head."""

    def __init__(
        self, hidden_size: int = 256, num_layers: int = 2, wav2vec2: Mapping | None = None
    ) -> None:
        super().__init__()
        config = Wav2Vec2Config(**(wav2vec2 or {}))
        between = 0.5 if num_layers > 1 else 0.0
        self.lstm = nn.LSTM(
            40, hidden_size, num_layers, batch_first=True, bidirectional=True, dropout=between
        )
        alexnet = torchvision.models.alexnet(weights=None)
        self.alexnet = nn.Sequential(alexnet.features, alexnet.avgpool)
        self.wav2vec2 = Wav2Vec2Model(config)
        frames = int(self.wav2vec2._get_feat_extract_output_lengths(SEGMENT))
        self.from_mfcc = nn.Linear(SEGMENT // 160 * 2 * hidden_size, 128)
        self.from_picture = nn.Linear(256 * 6 * 6, 128)
        self.attend = nn.Linear(256, frames)
        self.from_wave = nn.Linear(config.hidden_size, 128)
        self.hidden1, self.hidden2 = nn.Linear(384, 128), nn.Linear(128, 128)
        self.out = nn.Linear(128, 4)

    def forward(self, waves: Tensor, mfccs: Tensor, pictures: Tensor) -> Tensor:
        """Segments -> scores, [segments, 4]"""
        m = self._layer(self.from_mfcc, self.lstm(mfccs)[0].flatten(1))
        s = self._layer(self.from_picture, self.alexnet(pictures).flatten(1))
        weights = self._layer(self.attend, torch.cat([m, s], dim=1))
        frames = self.wav2vec2(waves).last_hidden_state
        w = self._layer(self.from_wave, (weights.unsqueeze(2) * frames).sum(dim=1))
        hidden = self._layer(self.hidden1, torch.cat([m, s, w], dim=1))
        return self.out(self._layer(self.hidden2, hidden))

    def _layer(self, linear: nn.Linear, x: Tensor) -> Tensor:
        return linear(dropout(x, 0.1, self.training)).relu()


def check_same_size(plain: nn.Module, *ours: nn.Module) -> int:
    """The number of parameters, which both must have: another size would be no baseline."""
    own, other = (sum(p.numel() for m in ms for p in m.parameters()) for ms in ((plain,), ours))
    if own != other:
        raise ValueError(f"the plain model has {own} parameters, camser's {other}")
    return own


def loader(segments: Sequence, batch_size: int, workers: int, pinned: bool) -> DataLoader:
    """Shuffled batches of ``Segments``."""
    options = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": pinned}
    return DataLoader(Segments(segments), batch_size, shuffle=True, **options)


def step(model: Plain, optimizer: torch.optim.Optimizer, batch: tuple, device: str) -> float:
    """One step of training; returns the loss."""
    inputs, labels = batch
    scores = model(*(x.to(device) for x in inputs))
    loss = nn.functional.cross_entropy(scores, labels.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def classify(model: Plain, path: Path, device: str = "cpu") -> int:
    """The emotion of a recording: the mean over its segments."""
    wave, _ = librosa.load(path, sr=RATE)
    wave = librosa.util.fix_length(wave, size=-(-len(wave) // SEGMENT) * SEGMENT)
    found = [features(piece) for piece in wave.reshape(-1, SEGMENT)]
    inputs = [torch.stack(column).to(device) for column in zip(*found, strict=True)]
    return int(model(*inputs).log_softmax(dim=1).mean(dim=0).argmax())
