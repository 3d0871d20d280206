"""Models that mask padding: silence behind an utterance changes nothing."""

import pytest
import torch

from camser.build import build_model
from camser.encoders.base import Encoder
from camser.fusion.concat import Concat
from camser.model import UtteranceEncoder
from camser.testing.checks_device import autocast_knows_meta
from camser.training.compilation import compile_regions
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


WHOLE = {"seconds": None, "max_segment_seconds": 1.5, "mask_padding": True}
LENGTHS = [24000, 9001, 30, 700, 31000, 24001]  # 1.5 s and less, and two longer ones


@pytest.mark.parametrize("pooling", MASKABLE)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_silence_appended_to_a_batch_of_whole_utterances_changes_nothing(fusion, pooling):
    model = build(fusion, pooling, **WHOLE)
    wavs = [torch.randn(n) / 10 for n in LENGTHS]
    with torch.no_grad():
        alone = torch.cat([model(wav[None], torch.ones(1)) for wav in wavs])
        for more in (0, 7777):
            width = max(LENGTHS) + more
            batch = torch.stack([torch.nn.functional.pad(w, (0, width - len(w))) for w in wavs])
            found = model(batch, torch.tensor(LENGTHS) / width)
            assert torch.allclose(found, alone, atol=1e-5)


def test_a_batch_of_whole_utterances_is_as_long_as_its_longest(monkeypatch):
    model, seen = build(**WHOLE), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda s, *more: seen.append(s.shape) or encode(s, *more))
    model(torch.randn(2, 7000), torch.tensor([1.0, 0.5]))
    model(torch.randn(1, 40000), torch.ones(1))
    assert seen == [(2, 7001), (2, 24001)]
    assert model.min_samples == 640  # AlexNet's window
    with pytest.raises(ValueError, match=r"\[1, 24002\]; allowed: \[segments, up to 24001\]"):
        model(torch.randn(1, 24002), num_samples=torch.tensor([24001]))


def test_without_masks_whole_utterances_are_padded_to_the_limit():
    model = build(seconds=None, max_segment_seconds=1.5)
    assert not model.trims_padding and model.segment_samples == 24000
    with pytest.raises(ValueError, match=r"allowed: \[segments, 24001\]"):
        model(torch.randn(1, 7001))


def test_the_limit_is_at_most_the_encoders_own():
    table = {"whisper": ENCODERS["whisper"]}
    with pytest.raises(ValueError, match=r"960000 samples; allowed: 201 … 480000"):
        build_model(["whisper"], table, "concat", FUSIONS, None, max_segment_seconds=60.0)
    assert build_model(["whisper"], table, "concat", FUSIONS, None).segment_samples == 480000


def test_no_value_is_read_on_the_host():
    for options in ({"mask_padding": True}, WHOLE):
        model = build("softmax", "statistics", **options).to("meta")
        num_samples = torch.full((3,), 9000, device="meta")
        with autocast_knows_meta():
            found = model(torch.empty(3, 16001, device="meta"), num_samples=num_samples)
        assert found.shape == (3, 128)


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


@pytest.mark.parametrize("fusion", ["softmax", "low_rank"])
def test_compiled_regions_take_masks(fusion):
    plain, compiled = (build(fusion, "statistics", mask_padding=True) for _ in range(2))
    assert compile_regions(compiled, backend="eager")
    segments, num_samples = torch.randn(3, 16001) / 10, torch.tensor([16000, 9000, 700])
    found = []
    for model in (plain, compiled):
        torch.manual_seed(0)
        found.append(model.train()(segments, num_samples=num_samples))
    assert torch.allclose(*found, atol=1e-6)
    found[1].sum().backward()


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
