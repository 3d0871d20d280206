"""Timelines: what each window is, how windows become turns, and how they are written."""

import csv
import io
import itertools
import json

import numpy as np
import pytest
import torch

from camser.audio.windows import iter_windows
from camser.inference import Timeline, timeline_formats


def close(a, b, tolerance=1e-6):
    return torch.testing.assert_close(
        torch.as_tensor(a), torch.as_tensor(b), atol=tolerance, rtol=0
    )


@pytest.mark.parametrize(("window", "hop"), [(None, 1.0), (3.0, 3.0), (2.0, 0.5), (4.5, 2.0)])
def test_each_window_is_what_its_samples_alone_would_be(classifier, wave, wave_path, window, hop):
    found = classifier.timeline(wave_path, window, hop)
    window = window or 3.0
    assert found.seconds == 10.5 and found.window == window
    starts = found.starts
    assert starts[-1] < 10.5 <= starts[-1] + window, "the last window must reach the end"
    assert len(starts) == 1 + int(np.ceil((10.5 - window) / hop))
    for start, row in zip(starts, found.probabilities, strict=True):
        first, last = round(start * 16000), round((start + window) * 16000)
        # Filtered as in the recording: the window has the sample before it.
        before = torch.tensor([wave[first - 1] if first else 0.0])
        part = torch.from_numpy(wave[None, first:last])
        embedding = classifier.mods["embedding_model"](part, torch.ones(1), before=before)
        scores = classifier.mods["classifier"](embedding)
        close(row, classifier.calibrate(scores)[0].detach().numpy(), 1e-5)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 7, 8, 9, 40])
@pytest.mark.parametrize(("window", "hop"), [(4, 1), (4, 2), (4, 3), (4, 4)])
@pytest.mark.parametrize("chunk", [1, 2, 5, 40])
def test_windows_cover_every_sample(length, window, hop, chunk):
    stream = np.arange(1, length + 1, dtype=np.float32)
    chunks = (stream[i : i + chunk] for i in range(0, length, chunk))
    found = list(iter_windows(chunks, window, hop))
    for number, part in enumerate(found):
        assert (part == stream[number * hop : number * hop + window]).all()
    assert found[-1][-1] == length
    assert all(part[-1] < length for part in found[:-1]), "a window that adds nothing"


def test_a_short_recording_has_one_window(classifier, voice):
    found = classifier.timeline(voice[:8000])
    assert found.seconds == 0.5 and len(found.probabilities) == 1
    (turn,) = found.turns()
    emotion = classifier.classify(voice[:8000]).emotion
    assert (turn.start, turn.end, turn.emotion) == (0, 0.5, emotion)


def test_times_are_those_of_the_samples(classifier):
    found = classifier.timeline(np.zeros(16000 * 60, np.float32), 1.0, hop=0.50003)
    assert (found.hop, found.seconds, found.ends[-1]) == (0.5, 60, 60)


def timeline(*emotions, hop=1.0, window=3.0, confidence=0.8, silent=()):
    """Of windows with these emotions, of a, b and c; the ``silent`` ones are without speech."""
    other = (1 - confidence) / 2
    rows = [[confidence if name == e else other for name in "abc"] for e in emotions]
    speech = np.array([0.0 if number in silent else 0.5 for number in range(len(rows))])
    seconds = (len(rows) - 1) * hop + window
    values = seconds, np.array(rows), speech
    return Timeline("talk one.wav", ("a", "b", "c"), window, hop, *values)


def test_turns_divide_the_recording():
    found = timeline(*"aabbbac")
    turns = found.turns()
    assert [t.emotion for t in turns] == ["a", "b", "a", "c"]
    assert turns[0].start == 0 and turns[-1].end == found.seconds == 9
    assert all(a.end == b.start for a, b in itertools.pairwise(turns))
    assert (turns[1].start, turns[1].end) == (
        3.0,
        6.0,
    )  # windows 2 … 4, each deciding the second in its middle
    assert turns[1].confidence == pytest.approx(0.8)
    assert found.turns(threshold=0.9) == []


def test_windows_without_speech_have_no_emotion():
    found = timeline(*"aaaab", silent=(1, 2))
    turns = [(turn.start, turn.end, turn.emotion) for turn in found.turns()]
    assert turns == [(0, 2, "a"), (4, 5, "a"), (5, 7, "b")]
    assert found.emotions() == ["a", None, None, "a", "b"]
    assert found.smoothed("mean", 3).emotions()[1:3] == [None, None]
    parsed = json.loads(timeline_formats.as_json(found))
    assert [row["speech"] for row in parsed["windows"]] == [0.5, 0, 0, 0.5, 0.5]
    rows = list(csv.DictReader(io.StringIO(timeline_formats.as_csv(found))))
    assert [row["emotion"] for row in rows] == ["a", "", "", "a", "b"]
    assert [float(row["speech"]) for row in rows] == [0.5, 0, 0, 0.5, 0.5]


@pytest.mark.parametrize(("window", "hop"), [(1.0, 1.0), (1.0, 0.25), (3.0, 0.7)])
def test_turns_lie_where_there_is_speech(classifier, voice, window, hop):
    silence = np.zeros(80000, np.float32)
    samples = np.concatenate([silence, voice[:80000], silence])
    found = classifier.timeline(samples, window, hop)
    turns = found.turns()
    assert turns[0].start >= 5 - window and turns[-1].end <= 10 + window
    assert sum(turn.end - turn.start for turn in turns) > 4
    is_silent = (found.ends <= 5) | (found.starts >= 10.1)  # its frames last 32 ms
    assert is_silent.any() and not found.speech[is_silent].any()


def test_smoothing_removes_a_blink_and_keeps_probabilities():
    blink = timeline(*"aaaabaaaa")
    for method in ("mean", "median"):
        smooth = blink.smoothed(method, seconds=3)
        assert [t.emotion for t in smooth.turns()] == ["a"]
        close(smooth.probabilities.sum(1), np.ones(9))
    edge = timeline(*"aaaabbbb")
    close(edge.smoothed("median", 3).probabilities, edge.probabilities)
    close(blink.smoothed("mean", 0.1).probabilities, blink.probabilities)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 0.0}, r"hop 0\.0 s; allowed"),
        ({"hop": 5.0}, r"window is 3\.0 s and hop 5\.0 s; allowed"),
        ({"window": float("nan")}, "window is nan"),
        ({"window": float("inf")}, "window is inf s and hop 1.0 s; allowed: a finite window"),
        ({"smoothing": "mean", "smoothing_seconds": float("inf")}, "smoothing_seconds is inf; it"),
        ({"hop": -1.0}, r"hop -1\.0"),
        ({"smoothing": "gauss"}, "smoothing is 'gauss'; allowed: mean, median"),
        ({"smoothing_seconds": 0.0}, r"smoothing_seconds is 0\.0; it must be positive"),
    ],
)
def test_a_timeline_that_cannot_be(classifier, wave, options, message):
    with pytest.raises(ValueError, match=message):
        classifier.timeline(wave, **options)


def test_a_timeline_as_plain_values_and_as_a_data_frame():
    found = timeline(*"aab", silent=(1,))
    assert json.loads(timeline_formats.as_json(found)) == found.to_dict()
    frame = found.to_pandas(threshold=0.5)
    assert [*frame] == ["source", "start", "end", "emotion", "a", "b", "c", "speech"]
    assert frame.emotion.fillna("").tolist() == ["a", "", "b"]
    assert frame[["a", "b", "c"]].to_numpy() == pytest.approx(found.probabilities)
    assert (frame.start.tolist(), frame.end.tolist()) == ([0, 1, 2], [3, 4, 5])


def test_timelines_as_other_programs_read_them():
    found = timeline(*"aabbb")
    parsed = json.loads(timeline_formats.as_json(found))
    assert [t["emotion"] for t in parsed["turns"]] == ["a", "b"]
    assert len(parsed["windows"]) == 5 and parsed["labels"] == ["a", "b", "c"]
    rows = list(csv.DictReader(io.StringIO(timeline_formats.as_csv(found, threshold=0.5))))
    assert [row["emotion"] for row in rows] == list("aabbb")
    assert rows[1]["start"] == "1.000" and float(rows[1]["a"]) == pytest.approx(0.8)
    rttm = timeline_formats.as_rttm(found).splitlines()
    assert rttm[0].split() == [
        "SPEAKER", "talk_one", "1", "0.000", "3.000", "<NA>", "<NA>", "a", "0.800", "<NA>",
    ]  # fmt: skip
    tracks = [line.split("\t") for line in timeline_formats.as_audacity(found).splitlines()]
    assert tracks[1] == ["3.000000", "7.000000", "b 0.80"]


class NoSpeech:
    """Answers like the network of the speech detector, in no time."""

    def run(self, outputs, inputs):
        return np.zeros(len(inputs["input"])), inputs["h"], inputs["c"]


@pytest.mark.slow
def test_a_recording_of_many_hours_is_read_as_it_is_needed(classifier, monkeypatch):
    """Of 10 hours only some windows are in memory at a time, and only plain values are kept."""
    monkeypatch.setattr(
        "camser.audio.iter_chunks",
        lambda path, size, *_: (np.zeros(size, np.float32) for _ in range(36000 * 16000 // size)),
    )
    monkeypatch.setattr("camser.audio.speech._session", lambda process: NoSpeech())
    monkeypatch.setattr(classifier, "_encode", lambda segments: torch.zeros(len(segments), 128))
    found = classifier.timeline("ten hours.wav")
    assert found.seconds == 36000 and found.probabilities.shape == (35998, 4)
    assert classifier.classify("ten hours.wav").seconds == 36000
