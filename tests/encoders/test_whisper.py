"""Whisper: transformers' hidden states, of 30 seconds and of short segments."""

import pytest
import torch
import transformers

from camser.encoders.whisper import Whisper
from tests.helpers.recipe_runs import TINY_WHISPER


def whisper_model():
    values = {k: v for k, v in TINY_WHISPER.items() if k != "model_type"}
    small = {
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "vocab_size": 100,
    }
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return transformers.WhisperModel(
        transformers.WhisperConfig(**values, **small, **special)
    ).eval()


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "encoder alone"])
def test_whisper_equals_transformers_on_30_seconds(tmp_path, whole):
    model = whisper_model()
    (model if whole else model.encoder).save_pretrained(tmp_path)
    encoder = Whisper(source=str(tmp_path)).eval()
    waves = torch.randn(1, 480000) / 10
    expected = model.encoder(encoder.mel(waves)).last_hidden_state
    assert torch.allclose(encoder(waves), expected, atol=1e-5)


def test_whisper_gives_a_short_segment_the_checkpoints_first_positions(tmp_path):
    model = whisper_model()
    model.save_pretrained(tmp_path)
    encoder = Whisper(source=str(tmp_path)).eval()
    assert torch.equal(encoder.model.embed_positions.weight, model.encoder.embed_positions.weight)
    # With the layers taken out, what is left of 3 s is the start of what is left of 30 s.
    short = Whisper(source=str(tmp_path), layer=0).eval()
    waves = torch.cat([torch.randn(1, 48000), torch.zeros(1, 432000)], dim=1)
    assert torch.allclose(short(waves[:, :48000])[:, :-2], short(waves)[:, :148], atol=1e-5)


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_whispers_layers_are_transformers_hidden_states(tmp_path, layer):
    model = whisper_model()
    model.save_pretrained(tmp_path)
    encoder = Whisper(source=str(tmp_path), layer=layer).eval()
    waves = torch.randn(1, 480000) / 10
    states = model.encoder(encoder.mel(waves), output_hidden_states=True)
    expected = states.last_hidden_state if layer == 3 else states.hidden_states[layer]
    assert torch.allclose(encoder(waves), expected, atol=1e-5)


def test_whispers_options():
    waves = torch.randn(2, 16000)
    frozen = Whisper(config=TINY_WHISPER, freeze="all").train()
    assert frozen.is_frozen and torch.equal(frozen(waves), frozen(waves))
    noisy = Whisper(
        config=TINY_WHISPER, layer_drop=0.5, mask_time_prob=0.3, layer="weighted_sum"
    ).train()
    assert not torch.equal(noisy(waves), noisy(waves))
    noisy(waves).square().sum().backward()
    trained = [n for n, p in noisy.named_parameters() if p.requires_grad]
    assert [n for n in trained if noisy.get_parameter(n).grad is None] == []
    assert "model.embed_positions.weight" not in trained
    with pytest.raises(ValueError, match="a segment of 200 samples; allowed: 201 … 480000"):
        noisy.num_frames(200)
