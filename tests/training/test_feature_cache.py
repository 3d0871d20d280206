"""Kept frames: each segment's own, of these weights and this audio; a run is the same with them."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from camser import audio
from camser.data.dataset import SegmentDataset, SegmentIndex
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.multimodal import MultimodalEncoder
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.encoders.whisper import Whisper
from camser.evaluation import results
from camser.segments import preemphasize
from camser.training.feature_cache import cache_features
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER
from tests.helpers.same_run import same, weights

LABELS = ["sad", "angry"]


@pytest.fixture
def utterances(tmp_path):
    made = []
    for i, n in enumerate([5000, 16000, 40001]):
        soundfile.write(tmp_path / f"{i}.wav", np.random.default_rng(i).normal(0, 0.1, n), 16000)
        made.append(
            Utterance(str(i), "c", f"{i}.wav", n / 16000, "s", "male", emotion="sad", digest=str(i))
        )
    return made


@pytest.fixture
def encoder():
    return Whisper(config=TINY_WHISPER, freeze="all")


def keep(encoders, utterances, folder, segment_samples=16000, model=None, **more):
    model = MultimodalEncoder(encoders, segment_samples, **(model or {}))
    index = SegmentIndex(utterances, segment_samples, model.trims_padding)
    packed = PackedAudio(utterances, folder, folder)
    kept = cache_features(model, index, packed, folder / "frames", **more)
    return kept, index, packed


def test_each_segments_frames_are_those_that_the_encoder_gives(utterances, encoder, tmp_path):
    encoders = {"whisper": encoder, "mfcc": MFCCBiLSTM(4)}
    kept, index, packed = keep(encoders, utterances, tmp_path)
    assert index.total == 5 and list(kept) == ["whisper", "mfcc"]
    for part in (utterances, utterances[1:]):
        dataset = SegmentDataset(part, index, LABELS, packed, kept)
        for positions in (range(len(dataset)), [3, 0]):
            batch = dataset.__getitems__(positions)
            # In a batch of another size products add in another order.
            expected = encoder.eval()(batch.segments[:, 1:])
            assert torch.allclose(batch.cached["whisper"], expected, atol=1e-5)
            mfcc = encoders["mfcc"]
            filtered = preemphasize(batch.segments, mfcc.preemphasis)
            assert torch.allclose(batch.cached["mfcc"], mfcc.front_end(filtered), atol=1e-5)


def test_what_is_kept_is_computed_some_segments_at_a_time(
    utterances, encoder, tmp_path, monkeypatch
):
    whole = keep({"whisper": encoder}, utterances, tmp_path)[0]["whisper"].host
    monkeypatch.setattr("camser.training.feature_cache.CACHE_BATCH", 2)
    shutil.rmtree(tmp_path / "frames")
    parts = keep({"whisper": encoder}, utterances, tmp_path)[0]["whisper"].host
    assert np.allclose(whole, parts, atol=1e-5)


def test_the_audio_is_not_decoded_again(utterances, encoder, tmp_path, monkeypatch):
    PackedAudio(utterances, tmp_path, tmp_path)
    monkeypatch.setattr("camser.audio.load", None)
    keep({"whisper": encoder}, utterances, tmp_path)


def test_what_is_kept_is_read_back_and_nothing_else_is(utterances, encoder, tmp_path):
    keep({"whisper": encoder}, utterances, tmp_path)
    files = set((tmp_path / "frames").iterdir())
    before = [file.stat().st_mtime_ns for file in files]
    keep({"again": encoder}, utterances, tmp_path)
    assert [file.stat().st_mtime_ns for file in files] == before
    assert set((tmp_path / "frames").iterdir()) == files


@pytest.mark.parametrize("change", ["weights", "settings", "audio", "segments", "filter"])
def test_a_change_of_what_frames_depend_on_is_another_file(utterances, encoder, tmp_path, change):
    keep({"whisper": encoder}, utterances, tmp_path)
    if change == "weights":
        with torch.no_grad():
            encoder.model.conv1.bias += 0.1
    elif change == "settings":
        encoder = Whisper(config=TINY_WHISPER, freeze="all", preemphasis=0.5)
        encoder.load_state_dict(encoder.state_dict())
    elif change == "audio":
        utterances[0] = replace(utterances[0], digest="other")
    elif change == "filter":
        keep({"whisper": encoder}, utterances, tmp_path, model={"preemphasis_over": "segment"})
    else:
        keep({"whisper": encoder}, utterances, tmp_path, segment_samples=8000)
    keep({"whisper": encoder}, utterances, tmp_path)
    assert len(list((tmp_path / "frames").glob("*.npy"))) == 2


def test_what_another_version_of_a_plugin_gave_is_not_read(utterances, encoder, tmp_path):
    for version, expected in (("1.4", 1), ("1.5", 2), ("1.4", 2)):
        plugins = {"whisper": {"distribution": "acme-ser", "version": version}}
        keep({"whisper": encoder}, utterances, tmp_path, plugins=plugins)
        assert len(list((tmp_path / "frames").glob("*.npy"))) == expected


def test_what_its_package_computed_with_another_version_of_a_library_is_not_read(
    utterances, encoder, tmp_path, monkeypatch
):
    declared = ["smile >=2", 'pytest ; extra == "test"']
    monkeypatch.setattr(
        "camser.training.feature_cache.metadata.requires", {"acme-ser": declared}.get
    )
    plugins = {"whisper": {"distribution": "acme-ser", "version": "1.4"}}
    for version, expected in (("2.0", 1), ("2.1", 2), ("2.0", 2)):
        monkeypatch.setattr(
            "camser.training.feature_cache._version", {"smile": version, "pytest": expected}.get
        )
        keep({"whisper": encoder}, utterances, tmp_path, plugins=plugins)
        assert len(list((tmp_path / "frames").glob("*.npy"))) == expected


def test_what_another_version_of_its_base_class_gave_is_not_read(
    utterances, encoder, tmp_path, monkeypatch
):
    encoder.__class__ = type("Theirs", (Whisper,), {"__module__": "theirs.encoder"})
    for version, expected in (("0.1", 1), ("0.2", 2), ("0.1", 2)):
        monkeypatch.setattr("camser.training.feature_cache._version", {"camser": version}.get)
        keep({"whisper": encoder}, utterances, tmp_path)
        assert len(list((tmp_path / "frames").glob("*.npy"))) == expected


def test_what_a_front_end_gives_is_kept_whatever_the_layers_behind_it_learn(utterances, tmp_path):
    encoder = MFCCBiLSTM(4).eval()
    keep({"mfcc": encoder}, utterances, tmp_path)
    with torch.no_grad():
        encoder.lstm.weight_ih_l0 += 0.1
    again, index, packed = keep({"mfcc": encoder}, utterances, tmp_path)
    assert len(list((tmp_path / "frames").glob("*.npy"))) == 1
    batch = SegmentDataset(utterances, index, LABELS, packed, again).__getitems__(range(5))
    frames = encoder.from_cache(batch.cached["mfcc"])
    filtered = preemphasize(batch.segments, 0.97)
    assert torch.allclose(frames, encoder(filtered), atol=1e-5)
    keep({"mfcc": MFCCBiLSTM(4, num_mels=64)}, utterances, tmp_path)
    assert len(list((tmp_path / "frames").glob("*.npy"))) == 2


@pytest.mark.parametrize(("cls", "config"), [(Wav2Vec2, TINY_WAV2VEC2), (Whisper, TINY_WHISPER)])
def test_of_a_frozen_mixture_all_layers_are_kept(utterances, tmp_path, cls, config):
    encoder = cls(config=config, freeze="all", layer="weighted_sum")
    assert not encoder.is_frozen and not cls(config=config, layer="weighted_sum").is_cacheable
    kept, index, packed = keep({"it": encoder}, utterances, tmp_path)
    with torch.no_grad():
        encoder.mixture.logits += torch.arange(4.0)
    kept, _, _ = keep({"it": encoder}, utterances, tmp_path)
    assert len(list((tmp_path / "frames").glob("*.npy"))) == 1
    assert kept["it"].host.shape[:2] == (5, 4)
    batch = SegmentDataset(utterances, index, LABELS, packed, kept).__getitems__(range(5))
    frames = encoder.from_cache(batch.cached["it"])
    filtered = preemphasize(batch.segments, encoder.preemphasis)
    assert torch.allclose(frames, encoder(filtered), atol=1e-5)
    frames.sum().backward()
    assert encoder.mixture.logits.grad.any()


def test_what_a_gpu_computes_sooner_than_it_reads_is_not_kept(utterances, encoder, tmp_path):
    size = 4 * encoder.num_frames(16000) * 16
    for largest, kept in ((size, True), (size - 1, False)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("camser.training.feature_cache.MAX_ROW_BYTES", largest)
            patched.setattr(
                "camser.training.feature_cache._compute",
                lambda *arguments: [np.zeros((5, 50, 16))],
            )
            patched.setattr(Whisper, "to", lambda self, device: self)
            found, *_ = keep({"whisper": encoder}, utterances, tmp_path, device="cuda")
        assert bool(found) == kept


def test_a_disk_without_room_is_an_error_before_anything_is_computed(
    utterances, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match=r"0\.0 GB are to be cached, 0\.0 GB are free; make"):
        keep({"whisper": encoder}, utterances, tmp_path)
    assert not list((tmp_path / "frames").iterdir())


def test_what_is_kept_is_computed_in_full_float32_for_all_devices(
    utterances, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    compute, seen, before = encoder.cacheable_output, [], torch.get_float32_matmul_precision()

    def settings():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    def watched(waves):
        seen.append(settings())
        return compute(waves)

    encoder.cacheable_output = watched
    torch.set_float32_matmul_precision("high")  # as SpeechBrain does: on a GPU that is TF32
    try:
        keep({"whisper": encoder}, utterances, tmp_path)
        assert seen[-1] == ("highest", False) and settings() == ("high", True)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.gpu
def test_a_gpu_keeps_what_a_cpu_would(utterances, tmp_path):
    by_gpu = keep({"mfcc": MFCCBiLSTM(4)}, utterances, tmp_path, device="cuda")[0]["mfcc"].host
    by_gpu = np.array(by_gpu)
    shutil.rmtree(tmp_path / "frames")
    by_cpu = keep({"mfcc": MFCCBiLSTM(4)}, utterances, tmp_path)[0]["mfcc"].host
    assert np.abs(by_gpu - by_cpu).max() < 1e-4  # of frames of unit length; TF32 is off by 1e-3


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [flip, lambda path: path.unlink()])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_what_is_damaged_is_computed_again(utterances, encoder, tmp_path, caplog, suffix, harm):
    kept, _, _ = keep({"whisper": encoder}, utterances, tmp_path)
    whole = np.array(kept["whisper"].host)
    harm(kept["whisper"].path.with_suffix(suffix))
    kept, _, _ = keep({"whisper": encoder}, utterances, tmp_path)
    assert np.array_equal(kept["whisper"].host, whole)
    gone = suffix == ".json" and harm is not flip  # as from a version that wrote no index
    assert ("damaged or of another version: it is made again" in caplog.text) == (not gone)


def test_frozen_frames_change_nothing_but_the_time(run):
    kept, recomputed = run(folder="kept"), run("--cache_features=false", folder="recomputed")
    assert kept.data.cached.keys() == {"mfcc", "spectrogram"} and not recomputed.data.cached
    one = results.read_predictions(kept.output_folder / "predictions.csv")
    other = results.read_predictions(recomputed.output_folder / "predictions.csv")
    for a, b in zip(one, other, strict=True):
        for name in ("angry", "sad", "happy", "neutral"):
            # The same sums in batches of other sizes, through one epoch of training.
            assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-3)


def test_where_all_is_kept_no_sample_is_read_and_nothing_else_changes(run, monkeypatch):
    asked = ("--modalities=[mfcc, spectrogram]", "--fusion=concat")
    heard = run(*asked, "--cache_features=false", folder="heard")
    run(*asked, folder="first")
    reads = []
    read = audio.load
    monkeypatch.setattr(audio, "load", lambda *a: reads.append(a) or read(*a))
    kept = run(*asked, folder="kept")
    assert not reads and not kept.data.needs_audio
    one, other = (
        results.read_predictions(job.output_folder / "predictions.csv") for job in (heard, kept)
    )
    for a, b in zip(one, other, strict=True):
        assert float(a["angry"]) == pytest.approx(float(b["angry"]), abs=1e-3)


def test_damaged_frozen_frames_are_computed_again(run, prepared):
    for path in (prepared / "frames").glob("*.npy"):
        path.unlink()  # whose last bits depend on how many threads computed them
    first = weights(run(folder="first"))
    for path in (prepared / "frames").glob("*.npy"):
        path.write_bytes(path.read_bytes()[: 1 << 16])
    assert same(weights(run(folder="second")), first)
