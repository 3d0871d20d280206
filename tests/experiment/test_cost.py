"""Parameters and operations of a model, counted by hand."""

from concurrent.futures import ThreadPoolExecutor

import torch

from camser.build import build_model
from camser.experiment.cost import count_flops, model_cost
from camser.model import EmotionHead
from tests.helpers.recipe_runs import TINY_WAV2VEC2

COEFFICIENTS, PROJECTION = 40, 16


def build(modality, plugin, **params):
    encoders = {modality: {"plugin": plugin, **params}}
    fusions = {"concat": {"plugin": "concat", "projection_size": PROJECTION}}
    sizes = {"segment_seconds": 3.0, "hidden_sizes": [PROJECTION]}
    return build_model([modality], encoders, "concat", fusions, **sizes)


def test_a_recurrent_network_is_counted_by_hand():
    rest = []
    for hidden in (8, 16):
        model = build("mfcc", "mfcc_bilstm", hidden_size=hidden, num_layers=1)
        head = EmotionHead(PROJECTION, 4)
        frames, channels, *_ = model.encoders["mfcc"].frame_spec(model.segment_samples)
        assert channels == 2 * hidden
        # Two directions of four gates, each with a product of the frame and one of the state.
        gates = 2 * 4 * hidden * (COEFFICIENTS + hidden)
        products = frames * gates + frames * channels * PROJECTION
        found = model_cost(model, head)
        rest.append(found["segment_flops"] - 2 * products)
        weights = gates + 2 * 4 * hidden * 2  # and two biases
        assert found["parameters"]["mfcc"] == {"total": weights, "trained": weights}
        every = sum(p.numel() for part in (model, head) for p in part.parameters())
        assert found["parameters"]["total"] == {"total": every, "trained": every}
    assert rest[0] == rest[1] > 0  # mel filters, cosine transform, hidden layer and head


def test_attention_is_counted_and_nothing_is_changed():
    head, counts = EmotionHead(PROJECTION, 4), []
    for depth in (3, 4):
        config = TINY_WAV2VEC2 | {"num_hidden_layers": depth}
        model = build("wav2vec2", "wav2vec2", config=config).train()
        state = torch.get_rng_state()
        counts.append(model_cost(model, head)["segment_flops"])
        assert model.training and torch.equal(torch.get_rng_state(), state)
    frames, size, inner = 149, TINY_WAV2VEC2["hidden_size"], TINY_WAV2VEC2["intermediate_size"]
    projections = 2 * frames * (4 * size * size + 2 * size * inner)
    assert counts[1] - counts[0] == projections + 2 * (2 * frames * frames * size)
    assert head.training and torch.backends.mkldnn.enabled


def test_models_that_are_counted_at_once_leave_onednn_on():
    models = [build("wav2vec2", "wav2vec2", config=TINY_WAV2VEC2) for _ in range(6)]
    with ThreadPoolExecutor(len(models)) as threads:
        counts = list(threads.map(lambda m: count_flops(m, EmotionHead(PROJECTION, 4)), models))
    assert len(set(counts)) == 1 and torch.backends.mkldnn.enabled


def test_frozen_parameters_are_not_trained():
    model = build("wav2vec2", "wav2vec2", config=TINY_WAV2VEC2, freeze="all")
    found = model_cost(model, EmotionHead(PROJECTION, 4))["parameters"]["wav2vec2"]
    assert found["total"] > found["trained"] == 0
