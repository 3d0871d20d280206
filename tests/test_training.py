"""Training: every declarative variant, resuming, what a run leaves, and what it refuses."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, TINY
from speechbrain.core import Stage
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from test_model import KEEPS, SUBSETS
from torch.utils.data import DataLoader

from camser import metrics, results
from camser.checkpoints import CheckpointError
from camser.settings import SettingsError


def listed(names):
    return "[" + ", ".join(names) + "]"


def weights(job):
    modules = job.brain.raw_modules
    return {name: value.clone() for name, value in modules.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


VARIANTS = {
    f"concat {'+'.join(s)}": [f"--modalities={listed(s)}", "--fusion=concat"] for s in SUBSETS
}
VARIANTS |= {
    f"co-attention keeps {'+'.join(k)}": [f"--fusions={{co_attention: {{keep: {listed(k)}}}}}"]
    for k in KEEPS
}
VARIANTS["whisper as target"] = [
    "--modalities=[mfcc, spectrogram, whisper]",
    "--fusions={co_attention: {target: whisper, activation: softmax}}",
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_trained_by_an_override_alone(run, variant):
    job = run(*VARIANTS[variant])
    written = results.read_results(job.output_folder / "results.json")
    assert written["epochs"] == 1 and math.isfinite(job.brain.train_loss)
    model = job.brain.modules["embedding_model"]
    assert list(model.encoders) == written["settings"]["modalities"]
    assert model.fusion.out_features == 16 * len(
        getattr(model.fusion, "keep", written["settings"]["modalities"])
    )


def test_each_modality_learns_to_weigh_its_frames_and_the_weights_are_written(run):
    job = run("--fusion=attentive")
    arrays = results.read_arrays(job.output_folder / "attention.npz")
    assert len(arrays["ids"]) == 4
    for name in job.settings.values["modalities"]:
        weights = arrays[f"0.weights.{name}"]
        assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert weights.std(axis=1).max() > 0  # they begin even


def test_what_is_no_longer_asked_for_does_not_stay_beside_new_results(run):
    settings = ["--modalities=[mfcc]", "--fusion=attentive"]
    first = run(*settings)
    optional = {"embeddings.npz", "attention.npz"}
    assert optional <= {path.name for path in first.output_folder.iterdir()}
    again = run(*settings, "--save_embeddings=false", "--save_attention=0")
    assert not optional & {path.name for path in again.output_folder.iterdir()}
    told = json.loads((again.output_folder / "results.json").read_text())
    assert "predictions.csv" in told["files"] and not optional & {*told["files"]}


def test_the_files_of_a_run_agree_with_each_other(run, corpus):
    job = run("--fold=3", "--number_of_epochs=2")
    folder = job.output_folder
    written = results.read_results(folder / "results.json")
    rows = results.read_predictions(folder / "predictions.csv")
    labels = written["labels"]
    assert {row["speaker"] for row in rows} == {"iemocap/Ses02M"} == {written["fold_name"]}
    scores = metrics.scores(
        [labels.index(row["label"]) for row in rows],
        [labels.index(row["prediction"]) for row in rows],
        labels,
    )
    assert scores == {name: written[name] for name in scores}
    for row in rows:
        probabilities = {name: math.exp(float(row[name])) for name in labels}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=probabilities.get) == row["prediction"]
    history = results.read_history(folder)
    assert [row["epoch"] for row in history] == ["1", "2"]
    best = max(history, key=lambda row: float(row["valid_WA"]) + float(row["valid_UA"]))
    assert written["best_epoch"] == int(best["epoch"])
    assert written["plugins"]["mfcc"]["distribution"] == "camser"
    assert "Beginning experiment" in (folder / "log.txt").read_text()
    assert "valid WA" in (folder / "train_log.txt").read_text()
    assert str(corpus) not in (folder / "results.json").read_text()


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
    assert one | {"seconds": 0} == other | {"seconds": 0}


NOISY = [
    "--number_of_epochs=2",
    "--grad_accumulation_factor=2",
    "--ckpt_interval_steps=1",
    "--batch_size=8",
    "--encoders={wav2vec2: {mask_time_prob: 0.3, layer_drop: 0.3}, mfcc: {standardise: true}}",
]


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


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def undisturbed(run):
    return weights(run(*NOISY, folder="undisturbed"))


@pytest.mark.parametrize("step", [3, 7, 10])
def test_a_run_cut_off_in_mid_epoch_goes_on_to_the_same_weights(run, start, undisturbed, step):
    job = start(*NOISY)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == step:
            raise Killed
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(Killed):
        job.train()
    assert len(list((job.output_folder / "save").glob("CKPT*"))) >= 1
    resumed = run(*NOISY)
    assert same(weights(resumed), undisturbed)
    assert [r["epoch"] for r in results.read_history(resumed.output_folder)] == ["1", "2"]


def test_a_run_cut_off_while_it_saves_goes_on_to_the_same_weights(run, start, undisturbed):
    job = start(*NOISY)
    saves = []

    def save(checkpointer, *args):
        saves.append(1)
        if len(saves) == 3:
            raise Killed

    job.brain.checkpointer.add_recoverable(
        "trap", saves, custom_save_hook=save, custom_load_hook=save
    )
    with pytest.raises(Killed):
        job.train()
    assert list((job.output_folder / "save").glob("partial-*"))
    resumed = run(*NOISY)
    assert same(weights(resumed), undisturbed)
    assert not list((job.output_folder / "save").glob("partial-*"))


def test_a_process_killed_outright_goes_on_to_the_same_weights(
    run, corpus, prepared, tmp_path, undisturbed
):
    command = [
        sys.executable, "recipes/IEMOCAP/train.py", TINY, *NOISY, "--device=cpu", "--noprogressbar",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'run'}",
        f"--prepared_folder={prepared}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run/save").glob("CKPT*")) and time.monotonic() < deadline:
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run/results.json").exists()
    assert same(weights(run(*NOISY)), undisturbed)


def test_early_stopping_survives_a_restart(run):
    settings = ["--number_of_epochs=9", "--learning_rate=0.0", "--patience=2", "--min_epoch=1"]
    ended = run(*settings)
    epochs = results.read_history(ended.output_folder)
    assert len(epochs) == 3  # the first is the best; two more without a better one
    again = run(*settings)
    assert results.read_history(again.output_folder) == epochs


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
    with pytest.raises(ValueError, match=r"no part 'mfc'; there are: mfcc, .*Did you mean 'mfcc'"):
        start("--learning_rates={mfc: 0.1}")
    with pytest.raises(SettingsError, match=r"cannot be built: .*momentum"):
        start("--opt_class={momentum: 0.9}")
    start()  # what failed before it began stands in nobody's way


def test_another_run_in_the_same_folder_is_refused(run, start):
    run()
    with pytest.raises(SettingsError, match="other settings:\n  seed: 1234, now 5"):
        start("--seed=5")
    with pytest.raises(SettingsError, match="precision: 'auto', now 'bf16'"):
        start("--precision=bf16")
    with pytest.raises(SettingsError, match=r"epoch_counter|embedding_model.*hidden_sizes"):
        start("--embedding_model={hidden_sizes: [7, 128]}")
    start("--eval_precision=fp32", "--grad_accumulation_factor=1")  # the defaults, said aloud
    start("--compiled=false", "--eval_batch_size=7")  # which are no part of what a run is


def test_a_run_does_not_go_on_with_other_data(run, start, monkeypatch):
    job = run()
    import camser.experiment

    prepare = camser.experiment.prepare
    monkeypatch.setattr(camser.experiment, "prepare", lambda **k: prepare(**k)[:-1])
    with pytest.raises(
        SettingsError, match=r"holds a run on other data: its manifest\.csv differs"
    ):
        start()
    assert job.output_folder.is_dir()


def test_a_run_goes_on_with_as_many_processes_as_it_had(run, start, monkeypatch):
    run()
    monkeypatch.setattr("camser.checkpoints._num_processes", lambda: 2.0)
    with pytest.raises(CheckpointError, match="saved by 1 processes, now there are 2"):
        start("--number_of_epochs=2").train()


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


def test_debug_runs_a_few_batches_and_leaves_no_results(run):
    job = run("--debug")
    assert not (job.output_folder / "results.json").exists()
    assert not (job.output_folder / "history.csv").exists()


def test_tensorboard_is_an_option(run):
    pytest.importorskip("tensorboard")
    job = run("--tensorboard=true")
    assert list((job.output_folder / "tensorboard").iterdir())


def test_a_selection_on_the_test_fold_says_so(run, capsys):
    job = run("--selection=test_fold")
    warning = "selected on the test fold (optimistic)"
    assert warning in capsys.readouterr().out
    assert warning in (job.output_folder / "log.txt").read_text()
    assert results.read_results(job.output_folder / "results.json")["selection"] == "test_fold"


def test_frozen_frames_change_nothing_but_the_time(run, prepared):
    kept, recomputed = run(folder="kept"), run("--keep_features=false", folder="recomputed")
    assert kept.data.kept.keys() == {"mfcc", "spectrogram"} and not recomputed.data.kept
    one = results.read_predictions(kept.output_folder / "predictions.csv")
    other = results.read_predictions(recomputed.output_folder / "predictions.csv")
    for a, b in zip(one, other, strict=True):
        for name in ("angry", "sad", "happy", "neutral"):
            # The same sums in batches of other sizes, through one epoch of training.
            assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-3)


def test_damaged_frozen_frames_are_computed_again(run, prepared):
    for path in (prepared / "frames").glob("*.npy"):
        path.unlink()  # whose last bits depend on how many threads computed them
    first = weights(run(folder="first"))
    for path in (prepared / "frames").glob("*.npy"):
        path.write_bytes(path.read_bytes()[: 1 << 16])
    assert same(weights(run(folder="second")), first)


def test_a_test_without_a_checkpoint_is_an_error(start):
    job = start()
    job.brain.init_optimizers()
    with pytest.raises(CheckpointError, match="holds no checkpoint with a score; train first"):
        job.test()


def main(*arguments):
    """The recipe as a user starts it, in a process of its own."""
    command = [sys.executable, Path("recipes/IEMOCAP/train.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_mistake_is_one_clear_message_and_leaves_nothing_behind(tmp_path):
    ended = main(
        TINY, f"--data_folder={tmp_path / 'absent'}", f"--output_folder={tmp_path / 'run'}"
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "absent is not a folder" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "run").exists()


def test_where_all_is_kept_no_sample_is_read_and_nothing_else_changes(run, monkeypatch):
    from camser import audio

    asked = ("--modalities=[mfcc, spectrogram]", "--fusion=concat")
    heard = run(*asked, "--keep_features=false", folder="heard")
    run(*asked, folder="first")
    reads = []
    load = audio.load
    monkeypatch.setattr(audio, "load", lambda *a: reads.append(a) or load(*a))
    kept = run(*asked, folder="kept")
    assert not reads and not kept.data.is_heard
    one, other = (
        results.read_predictions(job.output_folder / "predictions.csv") for job in (heard, kept)
    )
    for a, b in zip(one, other, strict=True):
        assert float(a["angry"]) == pytest.approx(float(b["angry"]), abs=1e-3)
