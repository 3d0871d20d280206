"""Preparation of recordings: each is checked, decoded once, and decoded again where it changed."""

import numpy as np
import pytest
import soundfile
import torch

from camser import audio
from camser.data.packed_audio import PackedAudio
from camser.data.prepare import CorpusError
from tests.helpers.recipe_runs import close_logs, start_run

NOISE = np.random.default_rng(0).normal(0, 0.1, 16000)
BROKEN = {
    "is damaged, or in an encoding": lambda p: p.write_bytes(b"RIFF garbage"),
    "holds no samples": lambda p: soundfile.write(p, NOISE[:0], 16000),
    "is empty": lambda p: p.write_bytes(b""),
    "holds NaN": lambda p: soundfile.write(
        p, np.where(NOISE > 0.2, np.nan, NOISE), 16000, subtype="FLOAT"
    ),
    "sampled at 4000 Hz": lambda p: soundfile.write(p, NOISE, 4000),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_recording_is_refused_by_name(copy, corpus, go, reason):
    victim = copy / go(corpus)[5].path
    BROKEN[reason](victim)
    with pytest.raises(CorpusError, match=f"{victim}: {reason}"):
        go(copy)
    assert len(go(copy, allow_missing=True)) == len(go(corpus)) - 1


@pytest.mark.parametrize("rate, channels", [(16000, 2), (8000, 1), (44100, 2)])
def test_a_sane_recording_is_taken_with_its_length_at_16_khz(copy, corpus, go, rate, channels):
    mono = np.random.default_rng(1).normal(0, 0.1, (rate, 1))
    soundfile.write(copy / go(corpus)[5].path, np.tile(mono, channels), rate)
    assert go(copy)[5].seconds == pytest.approx(1.0, abs=1 / 16000)


def test_preparing_and_training_decode_every_recording_once(iemocap, corpus, decoded, tmp_path):
    where = iemocap.scan, corpus, tmp_path / "prepared"
    job = start_run(*where, tmp_path / "run")
    job.train()
    job.test()
    assert sorted(decoded) == sorted(corpus / u.path for u in job.utterances)
    decoded.clear()
    again = start_run(*where, tmp_path / "again")
    close_logs()
    assert again.utterances == job.utterances and not decoded


def test_a_changed_recording_changes_its_digest(copy, go, decoded, tmp_path):
    before = go(copy)
    decoded.clear()
    assert go(copy) == before and not decoded
    victim = before[3]
    soundfile.write(copy / victim.path, NOISE, 16000)
    after = go(copy)
    assert len(decoded) == len(before)  # into a new pack
    changed = [b.id for b, a in zip(before, after, strict=True) if b.digest != a.digest]
    assert changed == [victim.id]
    decoded.clear()
    packed = PackedAudio(after, copy, tmp_path / "prepared")
    assert not decoded
    assert torch.equal(packed.waveform(after[3]), torch.from_numpy(audio.load(copy / victim.path)))


def test_unreadable_recordings_leave_nothing_among_the_samples(copy, go, decoded, tmp_path):
    utterances = go(copy)
    cut, spoilt = (copy / utterances[n].path for n in (2, 5))
    cut.write_bytes(cut.read_bytes()[:20])
    samples = audio.load(spoilt)
    samples[-1] = np.nan
    soundfile.write(spoilt, samples, 16000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=f"(?s){cut}: is damaged.*{spoilt}: holds NaN"):
        go(copy)
    decoded.clear()
    left = go(copy, allow_missing=True)
    assert sorted(decoded) == sorted([cut, spoilt])  # are they readable now?
    assert [u.id for u in left] == [u.id for u in utterances if copy / u.path not in (cut, spoilt)]
    packed = PackedAudio(left, copy, tmp_path / "prepared")
    assert len(decoded) == 2
    for u in left:
        assert torch.equal(packed.waveform(u), torch.from_numpy(audio.load(copy / u.path)))


def test_a_killed_preparation_starts_again(copy, go, decoded, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*args, **kwargs):
        raise Killed

    for name in ("pack.write_index", "pack.os.replace", "check_audio.json.dump"):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(f"camser.data.{name}", kill)
            go(copy)
    decoded.clear()
    utterances = go(copy)
    assert len(decoded) == len(utterances)
    packed = PackedAudio(utterances, copy, tmp_path / "prepared")
    assert len(decoded) == len(utterances)
    assert len(list((tmp_path / "prepared/packed").glob("[!.]*"))) == 2
    waveform = torch.from_numpy(audio.load(copy / utterances[7].path))
    assert torch.equal(packed.waveform(utterances[7]), waveform)


def test_a_damaged_cache_of_lengths_is_read_by_nobody(copy, go, tmp_path):
    before, path = go(copy), tmp_path / "prepared/audio.json"
    whole = path.read_text()
    seconds = f" {before[3].seconds}, "
    assert seconds in whole
    for damaged in (whole.replace(seconds, " 9.5, "), whole[:-7], "", "[]", '{"files": {}}'):
        path.write_text(damaged)
        assert go(copy) == before and path.read_text() == whole
