"""Models that mask padding: silence behind an utterance changes nothing."""

import pytest
import torch

from camser.build import build_model
from camser.encoders.base import Encoder
from camser.fusion.concat import Concat
from camser.model import UtteranceEncoder
from tests.fusion.test_masks import MASKABLE
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER

ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 4},
    "spectrogram": {"plugin": "spectrogram_alexnet", "weights": None},
    "wav2vec2": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2},
    "whisper": {"plugin": "whisper", "config": TINY_WHISPER},
}
GUIDED = {"plugin": "co_attention", "guides": ["mfcc", "spectrogram"]}
FUSIONS = {
    "concat": {"plugin": "concat"},
    "gated": {"plugin": "gated"},
    "low_rank": {"plugin": "low_rank"},
    "attentive": {"plugin": "attentive"},
    "co_attention": {**GUIDED, "target": "wav2vec2"},
    "softmax": {**GUIDED, "target": "whisper", "activation": "softmax"},
}


def build(fusion="concat", pooling="mean", seconds=1.0, **more):
    torch.manual_seed(1)
    target = FUSIONS[fusion].get("target", "wav2vec2")
    modalities = ["mfcc", "spectrogram", target]
    encoders = {name: {**ENCODERS[name], "pooling": pooling} for name in modalities}
    return build_model(modalities, encoders, fusion, FUSIONS, seconds, **more).eval()


@pytest.mark.parametrize("pooling", MASKABLE)
@pytest.mark.parametrize("fusion", ["concat", "gated", "low_rank", "attentive"])
def test_longer_segments_have_more_silence_and_give_the_same(fusion, pooling):
    wavs, lens = torch.randn(2, 12000) / 10, torch.tensor([1.0, 0.4])
    with torch.no_grad():
        for masked in (True, False):
            short, long = (build(fusion, pooling, s, mask_padding=masked) for s in (1.0, 1.7))
            long.load_state_dict(short.state_dict())
            embeddings = short(wavs, lens), long(wavs, lens)
            assert torch.allclose(*embeddings, atol=1e-5) == masked


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_stands_behind_the_real_samples_is_not_seen(fusion):
    model = build(fusion, mask_padding=True)
    num_samples = torch.tensor([16000, 9000, 500])
    with torch.no_grad():
        segments = torch.randn(3, 16001) / 10
        other = segments.clone()
        other[1, 9001:], other[2, 501:] = 0.0, 0.5
        found, same = (model(s, num_samples=num_samples) for s in (segments, other))
        assert torch.equal(found, same)
        seen = model.intermediates(segments, None, num_samples)
        assert torch.allclose(seen.embeddings, found, atol=1e-6)
        for name, weights in seen.attention_weights.items():
            mask = model.frame_masks[name](num_samples, weights.shape[1])
            assert not weights[~mask].any()


def test_features_of_the_cache_are_masked_too():
    model = build("softmax", mask_padding=True)
    num_samples, segments = torch.tensor([16000, 5000]), torch.randn(2, 16001) / 10
    with torch.no_grad():
        cached = {
            name: encoder.cacheable_output(
                model.preemphasized(segments, encoder.preemphasis, num_samples), num_samples
            )
            for name, encoder in model.encoders.items()
            if encoder.is_cacheable
        }
        assert cached
        expected = model(segments, num_samples=num_samples)
        found = model(segments, cached=cached, num_samples=num_samples)
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_default_is_no_mask_and_a_model_says_what_it_does():
    plain, masked = build(), build(mask_padding=True)
    assert [m.architecture["mask_padding"] for m in (plain, masked)] == [False, True]
    assert plain.state_dict().keys() == masked.state_dict().keys()
    again = build_model(**masked.architecture)
    assert again.mask_padding and not build_model(**plain.architecture).mask_padding
    with pytest.raises(ValueError, match="padding is masked; give num_samples"):
        masked(torch.zeros(1, 16001))


class Unmasked(Encoder):
    out_channels = 1

    def forward(self, segments):
        return segments.unsqueeze(2)

    def num_frames(self, num_samples):
        return num_samples


def test_what_cannot_be_masked_is_an_error_when_it_is_built():
    encoders = {"theirs": Unmasked()}
    fusion = Concat({"theirs": encoders["theirs"].frame_spec(100)})
    assert UtteranceEncoder(encoders, fusion, 100)(torch.zeros(2, 101)).shape == (2, 128)
    told = "encoder 'theirs': Unmasked cannot mask padding: its methods must take num_samples; give"
    with pytest.raises(ValueError, match=told):
        UtteranceEncoder(encoders, fusion, 100, mask_padding=True)
    with pytest.raises(
        ValueError, match="mfcc: the pooling flatten cannot mask padding; give this"
    ):
        build(pooling="flatten", mask_padding=True)
