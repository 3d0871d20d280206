"""Masks: which frames are real, and frames that are those of the real samples alone."""

import math

import pytest
import torch
import transformers
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from camser.encoders.adaptive_pool import AdaptiveMeanPool2d
from camser.encoders.base import Encoder
from camser.encoders.front_end import zero_mean_unit_variance
from camser.encoders.masked_lstm import masked_lstm
from camser.encoders.masks import FrameMask, zero_padding
from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.spectrogram import SpectrogramAlexNet
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.encoders.whisper import Whisper
from tests.encoders.test_wav2vec2 import TYPES, checkpoint, tiny
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER

LENGTHS = torch.tensor([16000, 9001, 3333, 700])
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
SPEC = {"model_type": "data2vec-audio", "num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}
ENCODERS = {
    "mfcc": lambda: MFCCBiLSTM(4),
    "spectrogram": lambda: SpectrogramAlexNet(None),
    "full scale": lambda: SpectrogramAlexNet(None, reference="full_scale"),
    **{name: lambda name=name: Wav2Vec2(config=tiny(name)) for name in TYPES},
    "stable": lambda: Wav2Vec2(config=tiny(**STABLE)),
    "stable wavlm": lambda: Wav2Vec2(config=tiny("wavlm", **STABLE)),
    "deep data2vec": lambda: Wav2Vec2(config={**TINY_WAV2VEC2, **SPEC}),
    "middle layer": lambda: Wav2Vec2(config=tiny(**STABLE), layer=1),
    "no layer": lambda: Wav2Vec2(config=tiny(), layer=0),
    "weighted sum": lambda: Wav2Vec2(config=tiny(), layer="weighted_sum"),
    "whisper": lambda: Whisper(config=TINY_WHISPER),
    "whisper's layers": lambda: Whisper(config=TINY_WHISPER, layer="weighted_sum"),
}


@pytest.fixture
def segments():
    return zero_padding(torch.randn(4, 16000) / 10, LENGTHS)


def close(found, expected):
    scale = float(expected.detach().abs().max())
    assert torch.allclose(found, expected, atol=1e-4 * scale)


@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_frames_of_real_samples_are_those_of_the_segment_that_ends_there(segments, make):
    encoder = make().eval()
    longer = torch.nn.functional.pad(segments, (0, 4567))
    for padded in (segments, longer):
        frames = encoder(padded, LENGTHS)
        assert frames.shape[1] == encoder.num_frames(padded.shape[1])
        for row, n in enumerate(LENGTHS.tolist()):
            alone = encoder(segments[row : row + 1, :n], LENGTHS[row : row + 1])[0]
            close(frames[row, : encoder.num_frames(n)], alone)
    assert not torch.allclose(encoder(segments)[3, 0], encoder(segments, LENGTHS)[3, 0], atol=1e-6)


EXACT = [name for name in ENCODERS if "spec" not in name and name != "full scale"]


@pytest.mark.parametrize("name", EXACT)
def test_alone_the_frames_are_those_without_masks(segments, name):
    # Whisper's last frame has silence behind it, as in 30 s, and not its own reflection.
    encoder, count = ENCODERS[name]().eval(), -1 if "whisper" in name else None
    frames = encoder(segments[:1], LENGTHS[:1])[0, :count]
    assert torch.allclose(frames, encoder(segments[:1])[0, :count], atol=2e-3)


@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_a_frame_is_real_if_the_real_samples_have_it(make):
    encoder = make()
    mask = FrameMask(encoder.num_frames, 16000)
    for n in (1, 399, 400, 719, 720, 1000, 3200, 9001, 15999, 16000):
        try:
            expected = encoder.num_frames(n)
        except ValueError:  # too short: the first frame is there all the same
            expected = 1
        total = encoder.num_frames(16000)
        found = mask(torch.tensor([n, 16000]), total).int()
        assert found.tolist() == [[1] * expected + [0] * (total - expected), [1] * total]
    assert mask.state_dict() == {}


def test_a_mask_of_very_many_frames_is_refused_at_once():
    with pytest.raises(ValueError, match=r"has 96000 frames; .*, allowed: 65536"):
        FrameMask(lambda num_samples: 2 * num_samples, 48000)


def test_frames_at_odd_places_are_found_too():
    def squares(num_samples):
        return math.isqrt(num_samples)

    mask = FrameMask(squares, 1000)
    assert mask.needed.tolist() == [0, *(n * n for n in range(2, 32))]


@pytest.mark.parametrize("layers", [1, 3])
def test_the_masked_lstm_is_that_of_packed_sequences(layers):
    lstm = torch.nn.LSTM(5, 4, layers, batch_first=True, bidirectional=True)
    frames, lengths = torch.randn(3, 9, 5, requires_grad=True), torch.tensor([9, 4, 1])
    packed = pack_padded_sequence(frames, lengths, batch_first=True)
    expected, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    found = zero_padding(masked_lstm(lstm, frames, lengths), lengths)
    assert torch.allclose(found, expected, atol=1e-6)
    grads = [torch.autograd.grad(y.square().sum(), lstm.parameters()) for y in (found, expected)]
    assert all(map(lambda a, b: torch.allclose(a, b, atol=1e-5), *grads))


@pytest.mark.parametrize("model_type", ["wav2vec2", "hubert", "wavlm"])
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_where_transformers_own_mask_is_exact_the_states_are_its_own(
    tmp_path, segments, model_type
):
    oracle = checkpoint(tmp_path, tiny(model_type, **STABLE))
    encoder = Wav2Vec2(source=str(tmp_path)).eval()
    raw = [row[:n].numpy() for row, n in zip(segments, LENGTHS, strict=True)]
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    given = extractor(raw, sampling_rate=16000, padding=True, return_tensors="pt")
    expected = oracle(**given).last_hidden_state
    frames = encoder(segments, LENGTHS)
    for row, n in enumerate(LENGTHS.tolist()):
        close(frames[row, : encoder.num_frames(n)], expected[row, : encoder.num_frames(n)])


def test_a_norm_that_spans_padding_cannot_be_masked():
    assert Wav2Vec2(config=tiny("hubert")).masks_padding
    assert not Wav2Vec2(config=tiny("hubert", conv_pos_batch_norm=True)).masks_padding
    assert not Wav2Vec2(config=tiny(add_adapter=True, output_hidden_size=16)).masks_padding


class Old(Encoder):
    def forward(self, segments):
        return segments


class Front(Encoder):
    def front_end(self, segments, num_samples=None):
        return segments

    def back_end(self, features):
        return features


class Both(Front):
    def back_end(self, features, num_samples=None):
        return features


def test_an_encoder_can_mask_if_its_methods_take_the_number_of_samples():
    assert [cls().masks_padding for cls in (Old, Front, Both)] == [False, False, True]


def test_samples_are_standardized_by_the_real_ones():
    segments = zero_padding(torch.rand(2, 50) + 3, torch.tensor([50, 20]))
    found = zero_mean_unit_variance(segments, torch.tensor([50, 20]))
    assert torch.allclose(found[:1], zero_mean_unit_variance(segments[:1]), atol=1e-5)
    assert torch.allclose(found[1:, :20], zero_mean_unit_variance(segments[1:, :20]), atol=1e-5)
    assert not found[1, 20:].any()


def test_a_map_is_pooled_over_each_items_own_columns():
    maps, pool = torch.randn(3, 2, 5, 11), AdaptiveMeanPool2d(6)
    found = pool(maps, torch.tensor([11, 7, 2]))
    for row, columns in enumerate((11, 7, 2)):
        own = torch.nn.functional.adaptive_avg_pool2d(maps[row, :, :, :columns], 6)
        assert torch.allclose(found[row], own, atol=1e-6)


def test_with_masks_every_parameter_has_a_finite_gradient(segments):
    for make in (ENCODERS["wav2vec2"], ENCODERS["stable wavlm"], ENCODERS["whisper"]):
        encoder = make().train()
        frames = encoder(segments, LENGTHS)
        kept = FrameMask(encoder.num_frames, 16000)(LENGTHS, frames.shape[1])
        (frames * kept.unsqueeze(2)).square().sum().backward()
        trained = [(n, p) for n, p in encoder.named_parameters() if p.requires_grad]
        assert [n for n, p in trained if p.grad is None or not p.grad.isfinite().all()] == []
