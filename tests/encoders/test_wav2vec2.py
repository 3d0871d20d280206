"""wav2vec2 and its relatives: transformers' hidden states, loaded whole, frozen or noisy."""

import copy

import pytest
import torch
import transformers
from safetensors.torch import save_file

from camser.encoders.wav2vec2 import Wav2Vec2
from tests.helpers.recipe_runs import TINY_WAV2VEC2

TYPES = {
    "wav2vec2": {},
    "hubert": {},
    "wavlm": {"num_buckets": 32},
    "data2vec-audio": {"num_conv_pos_embeddings": 1},
}


def tiny(model_type="wav2vec2", **more):
    return {**TINY_WAV2VEC2, **TYPES[model_type], "model_type": model_type, **more}


def checkpoint(folder, config, normalize=True):
    """A checkpoint folder with random weights; returns transformers' model."""
    values = {k: v for k, v in config.items() if k != "model_type"}
    model = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(config["model_type"], **values)
    )
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("model_type", TYPES)
@pytest.mark.parametrize("normalize", [True, False])
def test_a_checkpoint_gives_its_own_hidden_states(tmp_path, model_type, normalize):
    oracle = checkpoint(tmp_path, tiny(model_type), normalize)
    encoder = Wav2Vec2(source=str(tmp_path), preemphasis=0.0).eval()
    waves = torch.randn(3, 16000) * 3 + 1
    prepared = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)(
        list(waves.numpy()), sampling_rate=16000, return_tensors="pt"
    )
    expected = oracle(prepared.input_values).last_hidden_state
    assert torch.allclose(encoder(waves), expected, atol=1e-5)


@pytest.mark.parametrize("stable", [True, False], ids=["normalised first", "normalised after"])
@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_a_layer_is_transformers_hidden_state_of_that_number(tmp_path, layer, stable):
    config = tiny(do_stable_layer_norm=stable, feat_extract_norm="layer" if stable else "group")
    oracle = checkpoint(tmp_path, config, normalize=False)
    encoder = Wav2Vec2(source=str(tmp_path), layer=layer, preemphasis=0.0).eval()
    waves = torch.randn(2, 16000)
    states = oracle(waves, output_hidden_states=True)
    expected = states.last_hidden_state if layer == 3 else states.hidden_states[layer]
    assert torch.allclose(encoder(waves), expected, atol=1e-5)
    assert len(encoder.model.encoder.layers) == layer
    rebuilt = Wav2Vec2(**encoder.init_config()).eval()
    rebuilt.load_state_dict(encoder.state_dict(), strict=True)
    assert torch.equal(rebuilt(waves), encoder(waves))


def test_a_fresh_mixture_is_the_mean_of_all_layers_and_learns(tmp_path):
    oracle = checkpoint(tmp_path, tiny(), normalize=False)
    encoder = Wav2Vec2(
        source=str(tmp_path), layer="weighted_sum", freeze="all", preemphasis=0.0
    ).eval()
    waves = torch.randn(2, 16000)
    layers = oracle(waves, output_hidden_states=True).hidden_states
    assert torch.allclose(encoder(waves), torch.stack(layers).mean(0), atol=1e-5)
    encoder(waves).square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is not None] == ["mixture.logits"]
    assert not encoder.is_frozen


def test_half_precision_checkpoints_become_float32(tmp_path):
    checkpoint(tmp_path, tiny()).half().save_pretrained(tmp_path)
    encoder = Wav2Vec2(source=str(tmp_path))
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_frozen_means_no_gradient_no_dropout_and_constant():
    encoder = Wav2Vec2(config=tiny(layerdrop=0.5, mask_time_prob=0.5), freeze="all").train()
    waves = torch.randn(2, 16000)
    assert encoder.is_frozen and not encoder.model.training
    assert torch.equal(encoder(waves), encoder(waves))


def test_frozen_with_augmentation_is_not_constant():
    encoder = Wav2Vec2(config=tiny(), freeze="all", mask_time_prob=0.5).train()
    waves = torch.randn(2, 16000)
    assert not encoder.is_frozen
    assert not torch.equal(encoder(waves), encoder(waves))


def test_frozen_convolutions_leave_the_rest_to_train():
    encoder = Wav2Vec2(config=tiny(), freeze="convolutions").train()
    encoder(torch.randn(2, 16000)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        frozen = "feature_extractor" in name
        assert parameter.requires_grad != frozen and (parameter.grad is None) == frozen, name


def test_noise_comes_from_the_checkpoint_unless_asked_otherwise(tmp_path):
    checkpoint(tmp_path, tiny(layerdrop=0.3, mask_time_prob=0.2, mask_time_length=4))
    assert Wav2Vec2(source=str(tmp_path)).noise["layer_drop"] == 0.3
    assert Wav2Vec2(source=str(tmp_path)).augment.time == (0.2, 4, 2)
    few = Wav2Vec2(source=str(tmp_path), mask_time_min_masks=0, mask_feature_min_masks=1)
    assert few.augment.time == (0.2, 4, 0) and few.augment.channel == (0.0, 10, 1)
    quiet = Wav2Vec2(source=str(tmp_path), layer_drop=0.0, mask_time_prob=0.0)
    assert not quiet.has_augmentation and quiet.model.config.layerdrop == 0


@pytest.mark.parametrize(
    "params", [{"layer_drop": 0.5}, {"mask_time_prob": 0.4, "mask_feature_prob": 0.2}]
)
def test_noise_leaves_no_parameter_without_a_gradient_and_stops_in_evaluation(params):
    encoder = Wav2Vec2(config=tiny(), **params).train()
    waves = torch.randn(4, 16000)
    assert not torch.equal(encoder(waves), encoder(waves))
    encoder(waves).square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []
    encoder.eval()
    assert torch.equal(encoder(waves), encoder(waves))


def test_gradient_checkpointing_changes_memory_not_gradients():
    plain = Wav2Vec2(
        config=tiny(
            hidden_dropout=0,
            attention_dropout=0,
            activation_dropout=0,
            layerdrop=0,
            mask_time_prob=0,
        )
    )
    thrifty = Wav2Vec2(**plain.init_config(), gradient_checkpointing=True)
    thrifty.load_state_dict(plain.state_dict())
    waves = torch.randn(2, 16000)
    for encoder in (plain.train(), thrifty.train()):
        encoder(waves).square().sum().backward()
    for (name, a), (_, b) in zip(plain.named_parameters(), thrifty.named_parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-4, rtol=1e-3), name


def test_encoders_survive_a_deep_copy():
    encoder = Wav2Vec2(config=tiny(), mask_time_prob=0.5, layer_drop=0.5, freeze="convolutions")
    copied = copy.deepcopy(encoder).train()
    assert copied._frozen[0] is copied.model.feature_extractor
    assert copied.model.feature_projection._forward_hooks.popitem()[1].__self__ is copied


@pytest.mark.parametrize(
    "params, message",
    [
        ({}, "give either source"),
        ({"source": "a", "config": TINY_WAV2VEC2}, "give either source"),
        ({"source": "/nowhere/at/all"}, "folder /nowhere/at/all does not exist"),
        ({"config": {"model_type": "bert"}}, "'bert'; allowed: wav2vec2, hubert, wavlm"),
        ({"config": TINY_WAV2VEC2, "layer": 4}, "layer is 4; allowed: 0 … 3, weighted_sum, null"),
        ({"config": TINY_WAV2VEC2, "freeze": "some"}, "freeze is 'some'; allowed: all"),
        (
            {"config": TINY_WAV2VEC2, "freeze": "all", "layer_drop": 0.1},
            "layer_drop needs trained layers",
        ),
        ({"config": TINY_WAV2VEC2, "mask_time_prob": 2}, "time_prob is 2; allowed: 0 … 1"),
    ],
)
def test_a_wrong_parameter_is_an_error_that_says_what_is_allowed(params, message):
    with pytest.raises(ValueError, match=message):
        Wav2Vec2(**params)


def test_wrong_checkpoint_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json"):
        Wav2Vec2(source=str(tmp_path))
    model = checkpoint(tmp_path, tiny())
    kept = {k: v.contiguous() for k, v in model.state_dict().items() if "layers.1" not in k}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"does not hold the weights.*missing.*layers\.1"):
        Wav2Vec2(source=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\x10")
    with pytest.raises(ValueError, match="cannot be loaded"):
        Wav2Vec2(source=str(tmp_path))
    (tmp_path / "preprocessor_config.json").unlink()
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="set normalize: true or false"):
        Wav2Vec2(source=str(tmp_path))
