"""Compiled regions: what they are, that they are whole, and that they change nothing else."""

import copy
import pickle

import pytest
import torch
from torch import nn

from camser import registry
from camser.encoders import Encoder
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.encoders.whisper import Whisper
from camser.testing.plugin_under_test import PluginUnderTest
from camser.training.compilation import compile_regions, eager_unless_full_batch, find_regions
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER
from tests.testing.test_builtin_plugins import BUILT_INS, VARIANTS

NOISE = {"mask_time_prob": 0.3, "mask_feature_prob": 0.2, "layer_drop": 0.5}


@pytest.fixture(autouse=True)
def forgotten():
    torch._dynamo.reset()


class Counting:
    """A backend that counts graphs and computes them as they are."""

    def __init__(self):
        self.num_graphs = 0

    def __call__(self, graph, inputs):
        self.num_graphs += 1
        return graph.forward


class Stack(Encoder):
    """A few blocks, the middle ones alike."""

    compiled_submodules = ("blocks.*", "last")
    out_channels = 4

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(x).tanh()

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(self.Block() for _ in range(3))
        self.last = self.Block()

    def forward(self, waves):
        x = waves
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def test_patterns_name_what_they_say():
    model = nn.ModuleDict({"encoder": Stack()})
    found = ["blocks.0", "blocks.1", "blocks.2", "last"]
    assert list(find_regions(model)) == [f"encoder.{name}" for name in found]
    assert list(find_regions(model["encoder"])) == found


@pytest.mark.parametrize(
    "regions, message",
    [
        (("block.*",), "names 'block.\\*', but no submodule has this name"),
        (("blocks.0.linear",), "a Linear of torch's own; torch.compile would skip it"),
        (("blocks",), "a ModuleList of torch's own|no submodule"),
    ],
)
def test_regions_that_are_none_are_refused(regions, message):
    stack = Stack()
    stack.compiled_submodules = regions
    with pytest.raises(ValueError, match=message):
        find_regions(stack)


def test_names_states_and_copies_stay_as_they_are():
    stack, plain = Stack(), Stack()
    names = list(stack.state_dict())
    compile_regions(stack, backend="eager")
    x = torch.randn(2, 4)
    wanted = stack(x)
    assert list(stack.state_dict()) == names
    for twin in (copy.deepcopy(stack), pickle.loads(pickle.dumps(stack))):
        assert torch.equal(twin(x), wanted)
    plain.load_state_dict(stack.state_dict())
    assert torch.equal(plain(x), wanted)


def test_layers_that_are_alike_compile_once_and_other_sizes_not_at_all():
    stack, backend = Stack(), Counting()
    compile_regions(stack, backend)
    for mode in (True, False, True, False):
        stack.train(mode)(torch.randn(8, 4))
    compiled = backend.num_graphs
    assert compiled < 2 * 4
    for rows in (5, 7, 8):
        with eager_unless_full_batch(rows == 8):
            stack.train()(torch.randn(rows, 4)).sum().backward()
    assert backend.num_graphs <= compiled + 1  # with an input that needs no gradient, or does


@pytest.mark.slow
def test_a_run_compiles_its_full_batches_alone_and_learns_the_same(start, monkeypatch):
    from camser.training import brain

    settings = ["--modalities=[mfcc, wav2vec2]", "--fusion=concat", "--batch_size=32"]
    settings += ["--number_of_epochs=2"]
    plain = start(*settings, folder="plain")
    plain.train()
    job, backend = start(*settings, "--compiled=true", folder="compiled"), Counting()
    monkeypatch.setattr(brain, "compile_regions", lambda module: compile_regions(module, backend))
    counts, on_stage_start = [], job.brain.on_stage_start
    job.brain.on_stage_start = lambda *a: counts.append(backend.num_graphs) or on_stage_start(*a)
    job.train()
    assert len(job.fold.train) % 32 and 0 < counts[1] == counts[-1] == backend.num_graphs
    one, other = (j.brain.raw_modules.state_dict() for j in (plain, job))
    assert list(one) == list(other)
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


@pytest.mark.slow
def test_recomputed_layers_are_those_of_the_first_pass(start, monkeypatch):
    """The last batch of an epoch, uncompiled, is so on its way back too."""
    from camser.training import brain

    settings = ["--modalities=[wav2vec2]", "--fusion=concat", "--batch_size=32", "--compiled=true"]
    settings += ["--encoders={wav2vec2: {gradient_checkpointing: true}}", "--number_of_epochs=1"]
    job = start(*settings)
    monkeypatch.setattr(brain, "compile_regions", lambda m: compile_regions(m, "aot_eager"))
    assert len(job.fold.train) % 32
    job.train()
    assert 0 < job.brain.train_loss < 10


@pytest.mark.parametrize("cls, config", [(Wav2Vec2, TINY_WAV2VEC2), (Whisper, TINY_WHISPER)])
def test_noise_traces_into_whole_graphs(cls, config):
    _same_as_plain(PluginUnderTest(cls, config=config, **NOISE), "eager", tolerance=1e-6)


CASES = {**{name: (name, params) for (_, name), params in BUILT_INS.items()}, **VARIANTS}
# Those with code of their own; that all others are whole graphs is a check of the kit.
GENERATED = ("spectrogram_alexnet", "noise", "whisper", "wavlm", "co_attention", "low_rank")


@pytest.mark.slow
@pytest.mark.parametrize("label", GENERATED)
def test_generated_code_gives_the_same_outputs_and_gradients(label):
    name, params = CASES[label]
    (kind,) = (k for k, n in BUILT_INS if n == name)
    # So that it draws as torch does; by default it has its own random numbers.
    with torch._inductor.config.patch(fallback_random=True):
        if kind == "fusion":  # whose parts may come in another order, and draw in it
            params = {**params, "dropout": 0.0}
        # A share of the largest value: other orders of summation, through a few layers.
        _same_as_plain(
            PluginUnderTest(registry.load(kind, name), **params), "inductor", tolerance=1e-3
        )


def _same_as_plain(case, backend, tolerance):
    module, plain, inputs = case.build(), case.build(), case.inputs()
    compile_regions(module, backend)
    for mode in (True, False):
        got, wanted = (case.run(m.train(mode), inputs) for m in (module, plain))
        assert _distance(got, wanted) <= tolerance
        if wanted.requires_grad:
            for output in (got, wanted):
                output.square().mean().backward()
            for (name, one), other in zip(
                module.named_parameters(), plain.parameters(), strict=True
            ):
                assert (one.grad is None) == (other.grad is None), name
                if one.grad is not None:
                    assert _distance(one.grad, other.grad) <= tolerance, name
        module.zero_grad(), plain.zero_grad()


def _distance(one, other):
    one, other = one.detach(), other.detach()
    # Gradients that cancel are nothing but rounding.
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-4))
