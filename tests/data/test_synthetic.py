"""The synthetic corpus: what a recipe and a demo rely on."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from camser.data import synthetic
from camser.data.synthetic import CLASSES, synthesize_corpus

SUMMARY = re.compile(r"\[(\d+\.\d{4}) - (\d+\.\d{4})\]\t(\w+)\t(\w{3})\t\[(.+)\]")
TRANSCRIPT = re.compile(r"(Ses\w+) \[(\d{3}\.\d{4})-(\d{3}\.\d{4})\]: (.+)")


class Rated(NamedTuple):
    start: float
    end: float
    emotion: str
    attributes: list[float]
    evaluators: list[str]


def rated_turns(root: Path) -> dict[str, Rated]:
    turns = {}
    for path in sorted(root.glob("Session*/dialog/EmoEvaluation/Ses*.txt")):
        header, *blocks = path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
        assert header == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
        for block in blocks:
            summary, *evaluators = block.split("\n")
            start, end, name, emotion, mean = SUMMARY.fullmatch(summary).groups()
            assert name not in turns and name.rsplit("_", 1)[0] == path.stem
            attributes = [float(value) for value in mean.split(", ")]
            turns[name] = Rated(float(start), float(end), emotion, attributes, evaluators)
    return turns


def transcripts(root: Path) -> dict[str, tuple[str, str, str]]:
    lines = [
        line
        for path in sorted(root.glob("Session*/dialog/transcriptions/Ses*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    matches = [match for match in map(TRANSCRIPT.fullmatch, lines) if match]
    assert {line for line in lines if not line.startswith("Ses")} == {"M: Yeah."}
    return {match[1]: match.groups()[1:] for match in matches}


def wav_paths(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(root.glob("Session*/sentences/wav/*/Ses*.wav"))}


def speaker(turn: str) -> str:
    return turn[:5] + turn.rsplit("_", 1)[1][0]


def class_of(emotion: str) -> str | None:
    return next((label for label, names in CLASSES.items() if emotion in names), None)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "IEMOCAP"
    return root, synthesize_corpus(root, 2, 10, mean_seconds=1.5)


@pytest.fixture(scope="module")
def audio(corpus):
    return {name: soundfile.read(path)[0] for name, path in wav_paths(corpus[0]).items()}


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesize_corpus(tmp_path / folder, 2, 8, seed=seed, mean_seconds=0.5)
    first, second, other = (contents(tmp_path / folder) for folder in "abc")
    assert first == second
    audio = {name for name in first if name.endswith("M000.wav")}
    assert audio and all(first[name] != other.get(name) for name in audio if "._" not in name)


def test_every_turn_has_its_wav_its_times_and_its_text(corpus):
    root, _ = corpus
    turns, texts, wavs = rated_turns(root), transcripts(root), wav_paths(root)
    assert set(turns) < set(texts) == set(wavs)
    for name, path in wavs.items():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert path.parent.name == name.rsplit("_", 1)[0] and name[4] == path.parts[-5][-1]
        start, end, text = texts[name]
        assert float(end) - float(start) == pytest.approx(info.duration, abs=1e-4)  # as printed
        assert text
    for name, turn in turns.items():
        assert texts[name][:2] == (f"{turn.start:08.4f}", f"{turn.end:08.4f}")


def test_names_are_as_odd_as_the_real_ones(corpus):
    turns, wavs = rated_turns(corpus[0]), wav_paths(corpus[0])
    dialogues = {name.rsplit("_", 1)[0] for name in wavs}
    pattern = re.compile(r"Ses0[1-5][FM]_(impro\d\d|script0\d_\db?)")
    assert all(pattern.fullmatch(dialogue) for dialogue in dialogues)
    assert sum("impro" in d for d in dialogues) == sum("script" in d for d in dialogues) == 5
    assert "Ses05M_script01_1b" in dialogues
    # The marker's wearer in the dialogue's name is not the speaker.
    assert any(name[5] != name.rsplit("_", 1)[1][0] for name in turns)
    assert [re.sub(".*_", "", name) for name in set(wavs) - set(turns)] == ["MXX0"]
    numbers = defaultdict(list)
    for name in turns:
        numbers[name[:-3]].append(int(name[-3:]))
    assert all(found == list(range(5)) for found in numbers.values())


def test_litter_lies_beside_the_files(corpus):
    for session in sorted(corpus[0].glob("Session*")):
        labels = session / "dialog/EmoEvaluation"
        wavs = session / "sentences/wav"
        for litter in (*labels.glob("._*.txt"), *wavs.glob("*/._*.wav"), wavs / ".DS_Store"):
            with pytest.raises(UnicodeDecodeError):
                litter.read_text(encoding="utf-8")
        assert list(labels.glob("._*.txt")) and list(wavs.glob("*/._*.wav"))


def test_expected_counts_are_what_the_files_say(corpus):
    root, counts = corpus
    found = {f"Session{n}": Counter() for n in range(1, 6)}
    for name, turn in rated_turns(root).items():
        if label := class_of(turn.emotion):
            found[f"Session{name[4]}"][label] += 1
    assert counts == found == json.loads((root / "expected_counts.json").read_text())


def test_ratings_agree_with_their_summary(corpus):
    for turn in rated_turns(corpus[0]).values():
        categories = [line.split("\t")[1] for line in turn.evaluators if line.startswith("C-E")]
        values = [
            [int(v) for v in re.findall(r"(?:val|act|dom) +([1-5]);", line)]
            for line in turn.evaluators
            if line.startswith("A-E")
        ]
        assert turn.attributes == pytest.approx(np.mean(values, axis=0))
        _, votes = Counter(categories).most_common(1)[0]
        assert (votes == 1) == (turn.emotion == "xxx")


@pytest.mark.parametrize("sizes", [(2, 10), (3, 9), (4, 12)])
def test_every_speaker_has_every_class(tmp_path, sizes):
    synthesize_corpus(tmp_path / "corpus", *sizes, mean_seconds=0.5)
    classes, emotions = defaultdict(set), set()
    for name, turn in rated_turns(tmp_path / "corpus").items():
        classes[speaker(name)].add(class_of(turn.emotion))
        emotions.add(turn.emotion)
    assert len(classes) == 10
    assert all(found >= set(CLASSES) for found in classes.values())
    assert emotions == set(synthetic.EMOTIONS)


def test_sessions_share_the_scripts_and_not_the_improvisations(corpus):
    spoken = defaultdict(lambda: defaultdict(list))
    rated = rated_turns(corpus[0])
    for name, (_, _, text) in transcripts(corpus[0]).items():
        if name in rated:
            dialogue, turn = name[len("Ses01F_") :].rsplit("_", 1)
            spoken[dialogue.removesuffix("b")][name[:5]].append((turn, text))
    for dialogue, sessions in spoken.items():
        versions = {tuple(lines) for lines in sessions.values()}
        assert len(sessions) == 5
        assert len(versions) == (1 if dialogue.startswith("script") else 5)


def test_lengths(audio):
    seconds = np.array([len(signal) / 16000 for signal in audio.values()])
    assert seconds.min() == 0.4 and 11.5 < seconds.max() <= 12
    assert 1.5 * 0.8 < seconds.mean() < 1.5 * 1.25  # "about" mean_seconds
    assert len(np.unique(seconds)) > 0.9 * len(seconds)


def test_audio_is_finite_audible_and_far_from_clipping(audio):
    for signal in audio.values():
        assert np.isfinite(signal).all()
        assert 0.01 < np.abs(signal).max() <= 0.7 + 2**-15
        assert abs(signal.mean()) < 0.1 * signal.std()  # no offset


def level_db(signal):
    return 10 * np.log10(np.mean(signal**2))


def pitch_semitones(signal):
    """Median over the louder half of the frames of the autocorrelation's highest peak."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, 1024)[::320]
    energy = (frames**2).sum(axis=1)
    frames = frames[energy >= np.median(energy)] * np.hanning(1024)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)
    lags = 32 + correlation[:, 32:267].argmax(axis=1)  # 500 down to 60 Hz
    return np.median(12 * np.log2(16000 / lags))


@pytest.mark.parametrize(("measure", "least"), [(level_db, 3.0), (pitch_semitones, 1.5)])
def test_anger_is_louder_and_higher_than_sadness_of_the_same_speaker(corpus, audio, measure, least):
    """At least about a third of the difference that the voices are made with."""
    values = defaultdict(lambda: defaultdict(list))
    for name, turn in rated_turns(corpus[0]).items():
        values[speaker(name)][turn.emotion].append(measure(audio[name]))
    differences = [np.mean(own["ang"]) - np.mean(own["sad"]) for own in values.values()]
    assert len(differences) == 10
    assert np.mean(differences) > least


def test_women_speak_higher_than_men(corpus, audio):
    neutral = defaultdict(list)
    for name, turn in rated_turns(corpus[0]).items():
        if turn.emotion == "neu":
            neutral[speaker(name)[-1]].append(pitch_semitones(audio[name]))
    assert np.mean(neutral["F"]) - np.mean(neutral["M"]) > 6


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_exists_is_refused_and_left_alone(tmp_path, kind):
    target = tmp_path / "IEMOCAP"
    mine = target / "notes.txt" if kind == "folder" else target
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match="is not an empty folder; delete it or name a new"):
        synthesize_corpus(target, 2, 8, mean_seconds=0.5)
    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_folder_is_filled(tmp_path):
    synthesize_corpus(tmp_path, 2, 8, mean_seconds=0.5)
    assert (tmp_path / "expected_counts.json").is_file()


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    write, calls = synthetic._write_dialogue, []

    def fail_late(*arguments):
        calls.append(write(*arguments))
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "_write_dialogue", fail_late)
    with pytest.raises(KeyboardInterrupt):
        synthesize_corpus(tmp_path / "IEMOCAP", 2, 8, mean_seconds=0.5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("dialogues_per_session", 1, "2 to 99"),
        ("turns_per_dialogue", 7, "8 to 999"),
        ("mean_seconds", 0.4, "0.5 to 6"),
        ("mean_seconds", 6.5, "0.5 to 6"),
        ("mean_seconds", float("nan"), "0.5 to 6"),
    ],
)
def test_bad_sizes_are_named_with_what_is_allowed(tmp_path, name, value, allowed):
    with pytest.raises(ValueError, match=f"{name} is {value}; allowed: {allowed}"):
        synthesize_corpus(tmp_path / "IEMOCAP", **{name: value})
    assert not list(tmp_path.iterdir())
