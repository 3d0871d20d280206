"""Training: every declarative variant, the order of segments, and what each step does."""

import math

import pytest
import torch
from speechbrain.core import Stage
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from torch.utils.data import DataLoader

from camser.config.settings import SettingsError
from camser.evaluation import results
from tests.helpers.same_run import same, weights
from tests.test_model import OUTPUTS, SUBSETS


def listed(names):
    return "[" + ", ".join(names) + "]"


VARIANTS = {
    f"concat {'+'.join(s)}": [f"--modalities={listed(s)}", "--fusion=concat"] for s in SUBSETS
}
VARIANTS |= {
    f"co-attention to {'+'.join(k)}": [
        f"--fusions={{co_attention: {{output_modalities: {listed(k)}}}}}"
    ]
    for k in OUTPUTS
}
VARIANTS["whisper as target"] = [
    "--modalities=[mfcc, spectrogram, whisper]",
    "--fusions={co_attention: {target: whisper, activation: softmax}}",
]


@pytest.mark.parametrize(
    "variant",
    [pytest.param(v, marks=[pytest.mark.slow] if v.count("+") == 1 else []) for v in VARIANTS],
)
def test_every_variant_is_trained_by_an_override_alone(run, variant):
    job = run(*VARIANTS[variant])
    written = results.read_results(job.output_folder / "results.json")
    assert written["epochs"] == 1 and math.isfinite(job.brain.train_loss)
    model = job.brain.modules["embedding_model"]
    assert list(model.encoders) == written["settings"]["modalities"]
    assert model.fusion.out_features == 16 * len(
        getattr(model.fusion, "output_modalities", written["settings"]["modalities"])
    )


def test_each_modality_learns_to_weigh_its_frames_and_the_weights_are_written(run):
    job = run("--fusion=attentive")
    arrays = results.read_arrays(job.output_folder / "attention.npz")
    assert len(arrays["ids"]) == 4
    for name in job.settings.values["modalities"]:
        weights = arrays[f"0.weights.{name}"]
        assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert weights.std(axis=1).max() > 0  # they begin even


def test_the_best_epoch_is_the_one_that_is_tested(start):
    job = start("--number_of_epochs=3", "--learning_rate=0.003")
    kept = {}
    end_epoch = job.brain._end_epoch

    def record(epoch, loss):
        end_epoch(epoch, loss)
        kept[epoch] = weights(job)

    job.brain._end_epoch = record
    job.train()
    job.test()
    history = results.read_history(job.output_folder)
    scores = [float(row["valid_WA"]) + float(row["valid_UA"]) for row in history]
    first_best = scores.index(max(scores)) + 1
    assert job.brain.best_epoch == first_best
    assert same(weights(job), kept[first_best])


def test_the_same_seed_is_the_same_run_and_what_it_leaves_is_too(run, tmp_path):
    first = run(folder="first")
    assert same(weights(first), weights(run(folder="second")))
    again = run(folder="third", recipe=first.output_folder / "hyperparams.yaml")
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(run("--seed=99", folder="fourth")))
    one, other = (results.read_results(tmp_path / f / "results.json") for f in ("first", "third"))
    untimed = {"seconds": 0, "test_seconds": 0}
    assert one | untimed == other | untimed


def test_the_order_is_that_of_a_plain_loader(start):
    job = start("--num_workers=2", "--batch_size=8")
    dataset = job._dataset(job.fold.train)
    ours = job.brain.make_dataloader(dataset, Stage.TRAIN, **job._loader("batch_size"))
    owners = dataset.owner.tolist()
    sampler = ReproducibleRandomSampler(owners, seed=job.hparams["seed"])
    plain = DataLoader(owners, batch_size=8, sampler=sampler)
    for epoch in (1, 2):
        ours.sampler.set_epoch(epoch)
        sampler.set_epoch(epoch)
        for batch, wanted in zip(ours, plain, strict=True):
            assert torch.equal(batch.owner, wanted)


def test_the_batches_left_over_from_accumulation_step_too(run):
    assert run("--grad_accumulation_factor=1000").brain.optimizer_step == 1


def test_learning_rates_are_per_part(start):
    still = ["mfcc", "fusion", "hidden"]
    rates = "{" + ", ".join(f"{name}: 0.0" for name in still) + "}"
    job = start(f"--learning_rates={rates}", "--learning_rate=0.01")
    before = weights(job)
    job.train()
    after = weights(job)
    learned = dict(job.hparams["embedding_model"].named_parameters(prefix="embedding_model"))
    learned |= dict(job.hparams["classifier"].named_parameters(prefix="classifier"))
    for name in learned:  # what standardises has no rate
        fixed = any(f".{part}." in name for part in (*still, "spectrogram"))
        assert torch.equal(before[name], after[name]) == fixed, name


def test_a_learning_rate_of_an_unknown_part_is_an_error(start):
    with pytest.raises(
        ValueError, match=r"no component 'mfc'; there are: mfcc, .*Did you mean 'mfcc'"
    ):
        start("--learning_rates={mfc: 0.1}")
    with pytest.raises(SettingsError, match=r"cannot be built: .*momentum"):
        start("--opt_class={momentum: 0.9}")
    start()  # what failed before it began stands in nobody's way


def test_clipping_can_be_off_and_is_of_each_part(start):
    assert start(folder="a").brain.max_grad_norm == math.inf
    job = start("--max_grad_norm=0.001", folder="b")
    init_optimizers, norms = job.brain.init_optimizers, {}

    def spy(optimizer, *_):
        (group,) = optimizer.param_groups
        grads = [p.grad for p in group["params"] if p.grad is not None]
        norms[id(optimizer)] = torch.stack([g.norm() for g in grads]).norm().item()

    def init():
        init_optimizers()
        for optimizer in job.brain.optimizers_dict.values():
            optimizer.register_step_pre_hook(spy)

    job.brain.init_optimizers = init
    job.train()
    assert len(norms) == len(job.brain.optimizers_dict) == 5
    assert max(norms.values()) <= 0.001 * 1.01


@pytest.mark.parametrize("options", [["--precision=bf16"], ["--remove_vector_weight_decay"]])
def test_speechbrains_run_options_work(run, options):
    job = run(*options)
    written = results.read_results(job.output_folder / "results.json")
    assert math.isfinite(written["WA"]) and options[0][2:].split("=")[0] in written["settings"]
