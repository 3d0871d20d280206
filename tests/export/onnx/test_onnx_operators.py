"""The operators that are written in our own way are exact."""

import pytest
import torch

from camser.encoders.base import Encoder
from camser.export.onnx import write as exporting
from camser.fusion.over_frames import statistics
from camser.model import EmotionHead
from tests.helpers.onnx_models import session_of

pytestmark = pytest.mark.slow


class Front(Encoder):
    """A plugin whose frames are what one operator makes of the waves."""

    def __init__(self, made, samples):
        super().__init__()
        self.made = made
        with torch.no_grad():
            self.frames, self.out_channels = made(torch.zeros(1, samples)).shape[1:]

    def forward(self, waves):
        return self.made(waves)

    def num_frames(self, num_samples):
        return self.frames


class Embedding(torch.nn.Module):
    """All frames of an encoder, as they are."""

    min_samples = 0  # it takes any number

    def __init__(self, encoder, samples):
        super().__init__()
        self.encoder, self.segment_samples = encoder, samples

    def forward(self, wavs, lens, before=None):
        frames = self.encoder(wavs[:, : self.segment_samples])
        return frames.flatten(1) * (lens > 0).unsqueeze(1)


def exact(made, samples, waves):
    """The operator's outputs by onnxruntime, and in float64."""
    whole = exporting.ModelWithHead(Embedding(Front(made, samples), samples), EmotionHead(1, 2))
    whole.classifier = torch.nn.Flatten()
    whole.classifier.linear = EmotionHead(1, 2).linear
    session = session_of(exporting._translate(whole.eval()).SerializeToString())
    feeds = {"wavs": waves, "lens": torch.ones(len(waves)), "before": torch.zeros(len(waves))}
    found = torch.from_numpy(
        session.run(["embeddings"], {n: v.numpy() for n, v in feeds.items()})[0]
    )
    with torch.no_grad():
        return found, made.double()(waves.double()).flatten(1)


class Spectrum(torch.nn.Module):
    def __init__(self, n_fft, hop, length):
        super().__init__()
        self.sizes = n_fft, hop, length
        self.register_buffer("window", torch.hann_window(length))

    def forward(self, waves):
        found = torch.stft(waves, *self.sizes, window=self.window, return_complex=True)
        return torch.view_as_real(found).flatten(2)


@pytest.mark.parametrize(
    "sizes", [(2048, 160, 2048), (800, 160, 640), (400, 160, 400), (401, 100, 301), (97, 31, 96)]
)
def test_a_spectrum_is_exact_whatever_its_factors(sizes):
    waves = torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    found, expected = exact(Spectrum(*sizes), 4000, waves)
    # In float32 a sum of so many terms of this size is off by as much.
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


class Deviations(torch.nn.Module):
    def forward(self, waves):
        return statistics(waves.unflatten(1, (6, -1))).unsqueeze(1)


def test_the_deviation_of_constant_frames_is_that_of_pytorch():
    waves = torch.randn(3, 10).repeat(1, 6)
    found, expected = exact(Deviations(), 60, waves)
    assert (expected[:, 10:] - 1e-4).abs().max() < 1e-6
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)


class Filters(torch.nn.Module):
    def __init__(self, channels, groups, size, bias):
        super().__init__()
        self.filters = torch.nn.Conv1d(1, channels, size, stride=3, bias=bias)
        self.norm = torch.nn.GroupNorm(groups, channels)
        torch.nn.init.normal_(self.norm.weight)
        torch.nn.init.normal_(self.norm.bias)

    def forward(self, waves):
        return self.norm(self.filters(waves.unsqueeze(1)))


@pytest.mark.parametrize("shape", [(8, 8, 10, False), (8, 8, 10, True)])
def test_a_norm_over_many_frames_is_exact(shape):
    torch.manual_seed(0)
    waves = torch.randn(4, 30000) * torch.tensor([[0.0], [1e-4], [0.1], [1.0]])
    waves[2, 2000:] = 0.3  # most frames are equal, and far from zero
    found, expected = exact(Filters(*shape), 30000, waves)
    assert (found - expected).abs().max() <= 5e-6 * expected.abs().max()


def test_another_norm_is_left_to_torch():
    found, expected = exact(Filters(8, 2, 10, True), 3000, torch.randn(4, 3000))
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
