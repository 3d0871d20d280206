"""Packed audio: what the files hold to the last bit, and never what is not whole."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from camser import audio
from camser.audio import AudioError
from camser.data.array_cache import copy_to_device_if_fits
from camser.data.manifest import Utterance, audio_path
from camser.data.pack import num_samples
from camser.data.packed_audio import PackedAudio

LENGTHS = (5000, 16000, 40001)


def write(folder, number, num_frames, rate=16000, **how):
    wave = np.random.default_rng(number).normal(0, 0.3, num_frames).clip(-1, 1)
    soundfile.write(folder / f"{number}.wav", wave, rate, **how)
    seconds = len(audio.load(folder / f"{number}.wav")) / audio.SAMPLE_RATE
    name = str(number)
    return Utterance(name, "c", f"{number}.wav", seconds, "s", "male", emotion="sad", digest=name)


@pytest.fixture
def utterances(tmp_path):
    return [write(tmp_path, number, length) for number, length in enumerate(LENGTHS)]


@pytest.fixture
def pack(utterances, tmp_path):
    return lambda rows=utterances: PackedAudio(rows, tmp_path, tmp_path)


def assert_equal_to_the_files(packed, utterances, folder):
    for u in utterances:
        own = torch.from_numpy(audio.load(audio_path(folder, u)))
        assert packed.waveform(u).dtype == torch.float32 and torch.equal(packed.waveform(u), own)


def test_16_bit_files_are_held_exactly_in_16_bits(pack, utterances, tmp_path):
    packed = pack()
    assert packed.arrays[0].host.dtype == np.int16 and len(packed.arrays[0].host) == sum(LENGTHS)
    assert_equal_to_the_files(packed, utterances, tmp_path)


@pytest.mark.parametrize(
    "how", [{"rate": 44100}, {"subtype": "PCM_24"}, {"subtype": "FLOAT"}], ids=str
)
def test_one_file_that_16_bits_cannot_hold_makes_all_float32(
    pack, utterances, tmp_path, how, decoded
):
    utterances = [*utterances, write(tmp_path, 3, 9000, **how)]
    decoded.clear()
    packed = pack(utterances)
    assert len(decoded) == len(utterances)
    assert packed.arrays[0].host.dtype == np.float32
    assert_equal_to_the_files(packed, utterances, tmp_path)


def test_full_scale_is_exact(tmp_path):
    extremes = np.array([-32768, -1, 0, 1, 32767] * 1000, np.int16)
    soundfile.write(tmp_path / "x.wav", extremes, 16000)
    row = Utterance("x", "c", "x.wav", len(extremes) / 16000, "s", "male")
    packed = PackedAudio([row], tmp_path, tmp_path)
    assert (packed.arrays[0].host == extremes).all()
    assert_equal_to_the_files(packed, [row], tmp_path)


@pytest.mark.parametrize("how", [{}, {"subtype": "PCM_24"}], ids=["int16", "float32"])
def test_a_devices_gather_is_the_hosts_to_the_last_bit(pack, utterances, tmp_path, how):
    utterances = [*utterances, write(tmp_path, 3, 9000, **how)]
    packed = pack(utterances)
    first = [packed.first[u.id] for u in utterances]
    start = torch.tensor([first[2] + 32000, first[0], first[3] + 8999, first[1]])
    length = torch.tensor([8001, 5000, 1, 16000])
    is_first = torch.tensor([False, True, False, True])
    host = packed.read_segments(start, length, is_first, 16000)
    packed.to("cpu")
    device = packed.read_segments(start, length, is_first, 16000)
    assert device.dtype == host.dtype == torch.float32 and torch.equal(device, host)
    assert not host[2, 2:].any() and host[2, 1] != 0
    assert host[:, 0].bool().tolist() == [True, False, True, False]
    assert host[0, 0] == packed.waveform(utterances[2])[31999]


def test_what_is_packed_is_not_decoded_again(pack, decoded):
    pack()
    assert len(decoded) == len(LENGTHS)
    pack()
    assert len(decoded) == len(LENGTHS)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def change_a_sample(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def lengthen(path):
    path.write_bytes(path.read_bytes() + bytes(1000))


def retype(path):
    np.save(path, np.load(path).astype(np.float64))


def change_the_index(path):
    index = path.with_suffix(".json")
    told = json.loads(index.read_text())
    index.write_text(json.dumps(told | {"samples": 1}))


def garble_the_index(path):
    path.with_suffix(".json").write_text("{")


def remove_the_array(path):
    path.unlink()


DAMAGE = (
    truncate, change_a_sample, lengthen, retype, change_the_index, garble_the_index,
    remove_the_array,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_by_name_and_mended(pack, utterances, tmp_path, damage, caplog, decoded):
    path = pack().arrays[0].path
    damage(path)
    decoded.clear()
    packed = pack()
    assert f"{path} is damaged or of another version: it is made again" in caplog.text
    assert len(decoded) == len(LENGTHS)
    assert_equal_to_the_files(packed, utterances, tmp_path)


def test_a_part_of_a_recording_ends_where_the_manifest_says(pack, utterances):
    utterances[1] = replace(utterances[1], seconds=0.5)
    packed = pack()
    assert len(packed.waveform(utterances[1])) == 8000
    assert len(packed.arrays[0].host) == sum(LENGTHS) - 8000


def test_a_changed_corpus_is_packed_anew(pack, utterances, tmp_path, caplog):
    first = pack().arrays[0].path
    utterances[1] = replace(write(tmp_path, 1, 7000), digest="other")
    packed = pack()
    assert packed.arrays[0].path != first and len(list((tmp_path / "packed").iterdir())) == 4
    assert_equal_to_the_files(packed, utterances, tmp_path)
    assert "damaged" not in caplog.text


@pytest.mark.parametrize("at", ["array", "index"])
def test_a_killed_packing_leaves_nothing_that_is_taken_for_whole(
    pack, utterances, tmp_path, at, monkeypatch, decoded
):
    class Killed(BaseException):
        pass

    def kill(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        if at == "index":
            patched.setattr("camser.data.array_cache.json.dump", kill)
        else:
            read = audio.load
            patched.setattr(
                audio, "load", lambda path, *warn: kill() if "2" in path.stem else read(path)
            )
        pack()
    assert not list((tmp_path / "packed").glob("*.json"))
    decoded.clear()
    assert_equal_to_the_files(pack(), utterances, tmp_path)
    assert len(decoded) >= len(LENGTHS)


def test_a_file_that_is_shorter_than_the_manifest_says_is_an_error(pack, tmp_path):
    write(tmp_path, 1, 15999)
    with pytest.raises(AudioError, match=r"1\.wav: ends before sample 16000; if the file changed"):
        pack()
    assert not list((tmp_path / "packed").iterdir())


def test_to_another_process_goes_its_path(pack, utterances, tmp_path):
    packed = pack()
    packed.to("cpu")
    sent = pickle.dumps(packed)
    assert len(sent) < 1000
    again = pickle.loads(sent)
    assert again.copy is None
    assert_equal_to_the_files(again, utterances, tmp_path)


def test_data_goes_to_a_gpu_where_it_fits_into_half_of_what_is_free(pack, monkeypatch, caplog):
    packed, size, sent = pack(), 2 * sum(LENGTHS), []
    assert packed.nbytes == size
    monkeypatch.setattr(type(packed), "to", lambda self, device: sent.append(device))
    for free, goes in ((2 * size, True), (2 * size - 1, False)):
        sent.clear()
        caplog.clear()
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        with caplog.at_level("INFO"):
            assert copy_to_device_if_fits([packed], "cuda").type == ("cuda" if goes else "cpu")
        assert bool(sent) == goes and ("read from disk" in caplog.text) != goes
    assert copy_to_device_if_fits([packed], "cpu") == torch.device("cpu")


PEAK = """
import resource, sys
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
rows = [Utterance(str(i), "c", "0.wav", 10.0, "s", "male") for i in range(int(sys.argv[2]))]
PackedAudio(rows, sys.argv[1], sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_the_memory_of_packing_is_flat_in_the_number_of_utterances(tmp_path):
    write(tmp_path, 0, 160000)
    peaks = []
    for number in ("50", "1000"):  # 16 MB and 320 MB of samples
        command = [sys.executable, "-c", PEAK, str(tmp_path), number]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024)
    assert peaks[1] - peaks[0] < 20, peaks


def test_the_length_is_the_manifests(utterances):
    assert [num_samples(u) for u in utterances] == list(LENGTHS)
