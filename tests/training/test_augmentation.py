"""Augmentation: of the training audio alone, and the same whenever a batch is drawn again."""

import math
import random

import numpy as np
import pytest
import soundfile
import torch
from speechbrain import Stage
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.codec import CodecAugment
from speechbrain.augment.time_domain import (
    AddNoise,
    AddReverb,
    DropChunk,
    FastDropChunk,
    RandAmp,
    SpeedPerturb,
)

from camser.config.settings import SettingsError
from camser.training import NoiseFolder
from camser.training.augmentation import Augmentation
from tests.helpers.same_run import same, weights

WIDTH = 4000
IDS = ["a#0", "b#0", "c#0"]
CHEAP = ["--modalities=[mfcc]", "--fusion=concat", "--batch_size=8", "--segment_seconds=1.0"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A folder of noise: two recordings, one at another rate and in stereo, and a text."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "far").mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(folder / "hum.wav", 0.1 + 0.01 * rng.normal(size=3000), 16000)
    soundfile.write(folder / "far/rain.flac", rng.normal(0, 0.1, (20000, 2)), 44100)
    (folder / "README").write_text("not audio")
    return folder


@pytest.fixture
def options(noise):
    """What augments the audio of a run in all ways of the YAML that ships."""
    return ["--include=camser:augmentation.yaml", f"--noise_folder={noise}"]


@pytest.fixture
def batch():
    """A full segment, one that is padded, and silence."""
    segments = torch.randn(3, 1 + WIDTH) / 10
    segments[1, 2001:] = 0.0
    segments[2] = 0.0
    return segments, torch.tensor([WIDTH, 2000, WIDTH]), IDS


def augmentation(*modules, **settings):
    return Augmentation(Augmenter(augmentations=list(modules), **settings), 7, WIDTH)


KINDS = {
    "speed": lambda noise: SpeedPerturb(16000, [80, 90, 110, 120]),
    "noise": lambda noise: AddNoise(snr_low=0, snr_high=10, noise_funct=noise),
    "white noise": lambda noise: AddNoise(snr_low=0, snr_high=10),
    "gain": lambda noise: RandAmp(),
    "codec": lambda noise: CodecAugment(),
    "time drop": lambda noise: DropChunk(),
    "time drop that remembers": lambda noise: FastDropChunk(n_masks=5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_changed_by_its_segments_and_its_epoch_alone(kind, noise, batch, tmp_path):
    augment = augmentation(KINDS[kind](NoiseFolder(noise, tmp_path)))
    first = augment(*batch, epoch=1)
    others = [augment(*batch, epoch=n) for n in range(2, 7)]
    others.append(augment(*batch[:2], ["a#0", "b#0", "d#0"], epoch=1))
    torch.rand(5), random.random(), np.random.rand()
    assert torch.equal(augment(*batch, epoch=1), first)
    assert not all(torch.equal(other, first) for other in others)
    for changed in (first, *others):
        assert changed.shape == batch[0].shape and changed.isfinite().all()
        assert not torch.equal(changed[:2], batch[0][:2]) and changed[2].abs().max() < 1e-3


def test_what_else_is_drawn_is_as_without_it(batch):
    def draw():
        return torch.rand(()).item(), random.random(), np.random.rand()

    augment = augmentation(AddNoise(), shuffle_augmentations=True, augment_prob=0.5)
    drawn = []
    for augmented in (False, True):
        torch.manual_seed(3), random.seed(3), np.random.seed(3)
        if augmented:
            augment(*batch, epoch=1)
        drawn.append(draw())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("speed", [80, 125])
def test_a_segment_keeps_its_length_and_its_padding_is_silent(batch, speed):
    segments, lengths, ids = batch
    changed = augmentation(SpeedPerturb(16000, [speed]))(segments, lengths, ids, epoch=1)
    ends = [100 / speed * n for n in (WIDTH + 1, 2001)]
    for row, end in zip(changed[:2], ends, strict=True):
        assert row[: round(end) - 1][-20:].any() and not row[round(end) + 1 :].any()
    noisy = augmentation(AddNoise())(segments, lengths, ids, epoch=1)
    assert noisy[1, 1900:2001].any() and not noisy[1, 2001:].any()


def test_silence_that_one_module_makes_reaches_the_next_without_nan(batch):
    """As NaN, of which CodecAugment crashes."""
    silenced = DropChunk(2 * WIDTH, 2 * WIDTH, drop_count_high=1)
    augment = augmentation(silenced, RandAmp(), CodecAugment(), min_augmentations=3)
    for epoch in range(6):
        assert augment(*batch, epoch=epoch).abs().max() < 1e-3


def test_a_folder_of_noise_is_decoded_once_and_a_piece_may_begin_anywhere(noise, decoded, tmp_path):
    folder = NoiseFolder(noise, tmp_path)
    assert len(decoded) == 3
    samples = np.array(folder.samples.host)
    assert len(samples) == 3000 + math.ceil(20000 * 16000 / 44100)
    drawn = folder(torch.zeros(50, len(samples) + 10))
    for piece in drawn:
        starts = np.flatnonzero(samples == piece[0].item())
        joined = (np.resize(np.roll(samples, -start), len(piece)) for start in starts)
        assert any(np.array_equal(piece, wanted) for wanted in joined)
    assert len({piece[0].item() for piece in drawn}) > 40
    again = NoiseFolder(noise, tmp_path)
    assert len(decoded) == 3 and np.array_equal(again.samples.host, samples)


def test_noise_is_as_loud_as_the_ratio_says(noise, batch, tmp_path):
    clean, lengths, ids = batch
    augment = augmentation(
        AddNoise(snr_low=6, snr_high=6, noise_funct=NoiseFolder(noise, tmp_path))
    )
    noisy = augment(clean, lengths, ids, epoch=1)[0]
    share = (noisy @ clean[0]) / (clean[0] @ clean[0])  # of the speech that is left
    rest = noisy - share * clean[0]
    assert 20 * torch.log10(share * clean[0].norm() / rest.norm()) == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("text, message", [(False, "has no files"), (True, "none of its 1 files")])
def test_a_folder_without_noise_is_an_error(tmp_path, text, message):
    (tmp_path / "noise").mkdir()
    if text:
        (tmp_path / "noise/README").write_text("not audio")
    with pytest.raises(ValueError, match=message):
        NoiseFolder(tmp_path / "noise", tmp_path / "prepared")


@pytest.mark.parametrize(
    "make, message",
    [
        (SpeedPerturb(16000), "augment is a SpeedPerturb; give a speechbrain.*Augmenter"),
        (Augmenter(augmentations=[AddNoise("a.csv")]), "AddNoise has a csv_file.*NoiseFolder"),
        (Augmenter(augmentations=[AddReverb("a.csv")]), "AddReverb has a csv_file"),
        (Augmenter(augmentations=[RandAmp()], concat_original=True), "4 segments for 2; leave out"),
    ],
)
def test_what_would_not_repeat_or_gives_other_batches_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(make, 1, WIDTH)


def training_set(job):
    return job.data.dataset(job.fold.train, job.hparams["labels"], is_training=True)


def batches(job, workers, epoch):
    """The batches of an epoch, as their loader makes them."""
    job.hparams["num_workers"] = workers
    dataset = training_set(job)
    loader = job.brain.make_dataloader(dataset, Stage.TRAIN, **job._loader("batch_size"))
    job.brain.on_stage_start(Stage.TRAIN, epoch - 1)
    next(iter(loader))  # the workers of which stay for the next epoch
    job.brain.on_stage_start(Stage.TRAIN, epoch)
    job.brain.train_sampler.set_epoch(epoch)
    return [(batch.id, batch.segments.clone()) for batch in loader]


def test_workers_make_the_same_batches_as_the_main_process(start, options):
    job = start(*CHEAP, *options)
    ours, theirs, next_epoch = batches(job, 0, 4), batches(job, 2, 4), batches(job, 2, 5)
    assert len(ours) == len(theirs) > 4
    for (ids, segments), (other_ids, others) in zip(ours, theirs, strict=True):
        assert ids == other_ids and torch.equal(segments, others)
    assert not torch.equal(ours[0][1], next_epoch[0][1])


def test_a_single_segment_is_augmented_in_another_way_in_every_epoch(start, options):
    job = start(*CHEAP, *options)
    dataset = training_set(job)
    seen = []
    for epoch in range(1, 5):
        dataset.set_epoch(epoch)
        seen.append(dataset.__getitems__([0]).segments.sum().item())
    assert len(set(seen)) > 2


def test_only_training_is_augmented_and_no_features_are_cached(start, options):
    job, plain = start(*options, *CHEAP), start(*CHEAP, "--cache_features=false", folder="plain")
    assert not job.data.cached
    assert (
        "augment is set, so no features are cached" in (job.output_folder / "log.txt").read_text()
    )
    for split in (job.fold.train, job.fold.valid, job.fold.test):
        one, other = (j._dataset(split).__getitems__([0, 1]).segments for j in (job, plain))
        assert torch.equal(one, other)
    augmented = training_set(job)
    assert augmented.augment and not training_set(plain).augment


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_a_run_cut_off_in_mid_epoch_goes_on_to_the_same_weights(run, start, options):
    settings = [*CHEAP, *options, "--ckpt_interval_steps=1", "--number_of_epochs=2"]
    undisturbed = weights(run(*settings, "--num_workers=2", folder="undisturbed"))
    job = start(*settings)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == 6:
            raise Killed
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(Killed):
        job.train()
    assert same(weights(run(*settings)), undisturbed)
    assert not same(weights(run(*settings, "--augment=null", folder="plain")), undisturbed)


def test_the_recipe_wants_an_object(start):
    with pytest.raises(SettingsError, match="augment is True; it must be a table or null"):
        start("--augment=true")
    with pytest.raises(ValueError, match="augment is a dict; give a speechbrain"):
        start("--augment={speed: 2}")
