"""Utterances cut out of long files: the samples of the whole, decoded once, in little memory."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from camser import audio
from camser.audio import AudioError
from camser.data import utterance_reader
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
from camser.data.prepare import CorpusScan, prepare
from camser.data.utterance_reader import UtteranceReader

SPANS = [(0.0, 1.25), (0.5, 2.0), (0.5, 0.75), (2.0, 3.5), (61.3, 95.0001), (99.0, None)]


def rows(spans=SPANS, path="long.wav"):
    return [
        Utterance(f"c/{path}:{i}", "c", path, 0.0, emotion="sad", start=start, end=end)
        for i, (start, end) in enumerate(spans)
    ]


@pytest.fixture
def long(tmp_path):
    """100 s at 44.1 kHz."""
    wave = np.random.default_rng(0).normal(0, 0.1, 4_410_000)
    soundfile.write(tmp_path / "long.wav", wave, 44100)
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """The files that were opened."""
    paths, read = [], audio.iter_chunks
    monkeypatch.setattr(audio, "iter_chunks", lambda path, n: paths.append(path) or read(path, n))
    return paths


def expected(whole, row):
    end = None if row.end is None else round(16000 * row.end)
    return whole[round(16000 * row.start) : end]


def test_cuts_are_the_wholes_samples_and_the_file_is_decoded_once(long, opened):
    whole, reader = audio.load(long / "long.wav"), UtteranceReader(long)
    for row in rows():
        assert np.array_equal(reader.read(row), expected(whole, row))
    assert opened == [long / "long.wav"]


def test_in_any_order_the_samples_are_the_same(long):
    whole, reader = audio.load(long / "long.wav"), UtteranceReader(long)
    for row in rows()[::-1]:
        assert np.array_equal(reader.read(row), expected(whole, row))


def test_memory_is_that_of_an_utterance_and_a_chunk(long, monkeypatch):
    monkeypatch.setattr(utterance_reader, "CHUNK", 16000)
    reader = UtteranceReader(long)
    tracemalloc.start()
    for row in rows([(float(second), second + 1.0) for second in range(0, 99, 7)]):
        reader.read(row)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2_000_000  # the file has 6.4 MB at 16 kHz


@pytest.mark.parametrize(
    ("span", "length"), [((99.0, 100.4), 16000), ((99.0, 100.6), None), ((100.0, 101.0), None)]
)
def test_an_end_a_little_after_the_files_is_the_files(long, span, length):
    (row,) = rows([span])
    if length:
        assert len(UtteranceReader(long).read(row)) == length
    else:
        with pytest.raises(AudioError, match=r"long.wav: ends at 100.00 s; an utterance is from"):
            UtteranceReader(long).read(row)


def test_a_broken_file_is_one_problem_for_all_its_utterances(long, tmp_path):
    (long / "long.wav").write_bytes(b"RIFF garbage")
    soundfile.write(long / "good.wav", np.zeros(16000), 16000)
    good = replace(rows([(0.5, None)], "good.wav")[0], emotion="happy")
    with pytest.raises(ValueError, match="1 problem:") as caught:
        prepare(lambda _: CorpusScan([*rows(), good], []), long, tmp_path / "p", ["sad"], {})
    assert str(caught.value).count("long.wav") == 1


def test_cuts_are_prepared_packed_and_found_again(long, tmp_path, opened):
    def scan(folder):
        return CorpusScan(rows(), [])

    where = scan, long, tmp_path / "prepared", ["sad"], {}
    utterances = prepare(*where).utterances
    assert len(opened) == 1 and len({u.digest for u in utterances}) == 1
    assert [u.seconds for u in utterances[:4]] == [1.25, 1.5, 0.25, 1.5]
    assert prepare(*where).utterances == utterances and len(opened) == 1
    whole, packed = audio.load(long / "long.wav"), PackedAudio(utterances, long, where[2])
    assert len(opened) == 1
    for number in range(2):
        for u in utterances:
            assert torch.equal(packed.waveform(u), torch.from_numpy(expected(whole, u)))
        packed.arrays[0].path.unlink()
        packed = PackedAudio(utterances, long, where[2])
        assert len(opened) == 2 + number
