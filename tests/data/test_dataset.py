"""Batches of segments: those of the plain way, in its order, to the last bit."""

import pickle

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DistributedSamplerWrapper, ReproducibleRandomSampler
from speechbrain.utils.checkpoints import Checkpointer

from camser import audio
from camser.data.array_cache import MappedArray, write_array
from camser.data.dataset import SegmentDataset, SegmentIndex, identity_collate
from camser.data.manifest import Utterance, audio_path
from camser.data.pack import num_samples
from camser.data.packed_audio import PackedAudio
from camser.segments import num_segments

LABELS = ["angry", "sad"]
SIZE = 1000  # samples of a segment
LENGTHS = [1, 999, 1000, 1001, 2000, 2500, 8000, 400, 3333, 5000, 1234, 700]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def utterances(folder):
    rows, rng = [], np.random.default_rng(0)
    for i, length in enumerate(LENGTHS):
        soundfile.write(folder / f"{i}.wav", rng.normal(0, 0.1, length), 16000)
        emotion = LABELS[i % 2]
        row = Utterance(str(i), "c", f"{i}.wav", length / 16000, "s", "male", emotion=emotion)
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def packed(utterances, folder):
    return PackedAudio(utterances, folder, folder)


def read(path, start, length):
    samples = torch.from_numpy(audio.load(path)[start : start + length])
    return torch.nn.functional.pad(samples, (0, SIZE - length))


def plain_dataset(utterances, folder, size=SIZE):
    """SpeechBrain's own, an item a segment, each read from its file."""
    items = {}
    for u in utterances:
        for k in range(num_segments(num_samples(u), size)):
            items[f"{u.id}#{k}"] = {
                "path": str(audio_path(folder, u)),
                "start": k * size,
                "length": min(size, num_samples(u) - k * size),
                "label": LABELS.index(u.emotion),
                "utterance": u.id,
            }
    dataset = DynamicItemDataset(items)
    dataset.add_dynamic_item(read, takes=["path", "start", "length"], provides="wav")
    dataset.set_output_keys(["id", "utterance", "wav", "label"])
    return dataset


def plain_loader(utterances, folder, **more):
    dataset = plain_dataset(utterances, folder)
    return loader(dataset, PaddedBatch, **more)


def loader(dataset, collate_fn, shard=None, workers=0):
    sampler = ReproducibleRandomSampler(dataset, seed=7)
    if shard is not None:
        sampler = DistributedSamplerWrapper(sampler, num_replicas=2, rank=shard, shuffle=False)
    how = {"sampler": sampler, "batch_size": 4, "num_workers": workers, "collate_fn": collate_fn}
    return SaveableDataLoader(dataset, **how, persistent_workers=workers > 0)


def epochs(made, *numbers):
    for number in numbers:
        made.sampler.set_epoch(number)
        yield from made


def assert_same_batches(ours, dataset, plain):
    ours, plain = list(ours), list(plain)
    assert len(ours) == len(plain) > 0
    for batch, wanted in zip(ours, plain, strict=True):
        assert batch.id == wanted.id
        assert [dataset.ids[owner] for owner in batch.owner] == wanted.utterance
        assert torch.equal(batch.segments[:, 1:], wanted.wav.data)
        assert torch.equal(batch.label, wanted.label)


@pytest.mark.parametrize("shard", [None, 0, 1])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_the_plain_ways(utterances, folder, packed, workers, shard):
    part = utterances[1:]
    dataset = SegmentDataset(part, SegmentIndex(utterances, SIZE), LABELS, packed)
    ours = loader(dataset, identity_collate, shard, workers)
    plain = plain_loader(part, folder, shard=shard)
    assert_same_batches(epochs(ours, 1, 2), dataset, epochs(plain, 1, 2))


@pytest.mark.parametrize("workers", [0, 2])
def test_cut_off_in_mid_epoch_they_go_on_with_the_batches_that_are_left(
    utterances, folder, packed, tmp_path, workers
):
    dataset = SegmentDataset(utterances, SegmentIndex(utterances, SIZE), LABELS, packed)
    first = loader(dataset, identity_collate, workers=workers)
    checkpointer = Checkpointer(tmp_path, {"loader": first})
    for number, _ in enumerate(epochs(first, 1), start=1):
        if number == 3:
            checkpointer.save_checkpoint(end_of_epoch=False)
            break
    second = loader(dataset, identity_collate, workers=workers)
    Checkpointer(tmp_path, {"loader": second}).recover_if_possible()
    plain = list(epochs(plain_loader(utterances, folder), 1, 2))
    assert_same_batches(epochs(second, 1, 2), dataset, plain[3:])


def test_where_all_lies_on_a_device_batches_are_the_same(utterances, folder):
    index = SegmentIndex(utterances, SIZE)
    rows = np.random.default_rng(0).normal(size=(index.total, 3, 2)).astype(np.float32)
    write_array(folder / "kept.npy", rows.shape[1:], [rows[:5], rows[5:]])
    made = []
    for there in (False, True):
        packed = PackedAudio(utterances, folder, folder)
        kept = MappedArray(folder / "kept.npy")
        if there:
            packed.to("cpu")
            kept.to("cpu")
        dataset = SegmentDataset(utterances[2:], index, LABELS, packed, {"a": kept})
        made.append([dataset.__getitems__([5, 0, 7, 7]), dataset.__getitems__(range(3))])
    for host, device in zip(*made, strict=True):
        assert torch.equal(host.segments, device.segments) and torch.equal(host.owner, device.owner)
        assert torch.equal(host.cached["a"], device.cached["a"])
    first = index.first["2"]
    assert np.array_equal(made[0][0].cached["a"], rows[[first + 5, first, first + 7, first + 7]])


def test_a_dataset_goes_to_another_process_by_its_files(utterances, packed):
    dataset = SegmentDataset(utterances, SegmentIndex(utterances, SIZE), LABELS, packed)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again.__getitems__([3, 9]).segments, dataset.__getitems__([3, 9]).segments)


def test_what_is_not_heard_is_not_there(utterances):
    dataset = SegmentDataset(utterances, SegmentIndex(utterances, SIZE), LABELS)
    batch = dataset.__getitems__([0, 1])
    assert batch.segments is None and batch.cached == {} and len(batch) == 2


def test_a_batch_moves_as_a_whole_and_in_place(utterances, packed, folder):
    index = SegmentIndex(utterances, SIZE)
    write_array(folder / "row.npy", (1,), [np.ones((index.total, 1))])
    kept = {"a": MappedArray(folder / "row.npy")}
    batch = SegmentDataset(utterances, index, LABELS, packed, kept).__getitems__([0, 1])
    assert batch.to("meta") is batch
    moved = [batch.owner, batch.label, batch.segments, batch.cached["a"]]
    assert {tensor.device.type for tensor in moved} == {"meta"}


def test_the_numbers_of_segments_are_those_of_their_definition(utterances):
    index = SegmentIndex(utterances, SIZE)
    counts = [num_segments(length, SIZE) for length in LENGTHS]
    assert index.total == sum(counts)
    assert list(index.first.values()) == [sum(counts[:n]) for n in range(len(counts))]
