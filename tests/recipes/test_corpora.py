"""Corpora by name, on made-up trees of their names: all counts, and what a faulty copy says."""

import csv
import itertools
from collections import Counter
from itertools import islice, product
from random import Random

import msgspec
import numpy as np
import pytest
import soundfile
import yaml

from camser.config.settings import read_arguments
from camser.data.folds import folds_of
from camser.data.named_corpus import read_corpus
from camser.data.prepare import CorpusError, prepare
from camser.data.summary import compare_counts
from tests.helpers.recipe_runs import ROOT, load_module

DECLARED = ROOT / "recipes/Corpora/corpora"
NAMES = sorted(path.stem for path in DECLARED.glob("*.yaml"))
PARTS = {
    "cremad": 12, "esd": 70, "meld": 40, "mspimprov": 20, "shemo": 6, "subesco": 10, "tess": 10,
}  # fmt: skip
WORDS = ["".join(letters) for letters in product("abcdefgh", "lmnopqr", "aeio")]


def codes(corpus):
    """The first code of each emotion, and its number of utterances."""
    for emotion, number in corpus.counts.items():
        code = corpus.emotion.get(emotion, emotion)
        yield (code if isinstance(code, str) else code[0]), number


def aesdd(corpus):
    for code, number in codes(corpus):
        for text, speaker in islice(product(range(1, 30), range(1, 6)), number):
            yield f"{code}_folder/{code}{text:02} ({speaker}).wav"


def cremad(corpus):
    for code, number in codes(corpus):
        made = product(("XX", "LO"), corpus.text.values(), range(1001, 1092))
        for level, text, actor in islice(made, number):
            odd = (actor, text, code, level) == (1040, "ITH", "SAD", "XX")
            yield f"AudioWAV/{actor}_{text}_{code}_{'X' if odd else level}.wav"


def emodb(corpus):
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    for code, number in codes(corpus):
        made = product(("a01", "a02", "a04", "b01", "b02"), "abc", speakers)
        for text, version, speaker in islice(made, number):
            yield f"wav/{speaker}{text}{code}{version}.wav"


def emovo(corpus):
    texts = [f"{kind}{n}" for kind, most in zip("blnd", (3, 4, 5, 2), strict=True)
             for n in range(1, most + 1)]  # fmt: skip
    for (code, _), speaker, text in product(
        codes(corpus), ("f1", "f2", "f3", "m1", "m2", "m3"), texts
    ):
        yield f"{speaker}/{code}-{speaker}-{text}.wav"


def esd(corpus):
    for speaker, (block, (code, number)) in product(range(1, 21), enumerate(codes(corpus))):
        for n in range(number // 20):
            yield f"{speaker:04}/{code}/{speaker:04}_{350 * block + n + 1:06}.wav"


def jlcorpus(corpus):
    speakers = ("female1", "female2", "male1", "male2")
    for speaker, (code, _), text, part, take in product(
        speakers, codes(corpus), range(1, 16), "ab", (1, 2)
    ):
        yield f"Raw JL corpus/JL(wav+txt)/{speaker}_{code}_{text}{part}_{take}.wav"


def ravdess(corpus):
    for code, strength, text, time, actor in product(
        range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25)
    ):
        if (code, strength) != (1, 2):
            name = f"03-01-{code:02}-{strength:02}-{text:02}-{time:02}-{actor:02}"
            yield f"Actor_{actor:02}/{name}.wav"


def savee(corpus):
    for speaker, (code, number) in product(("DC", "JE", "JK", "KL"), codes(corpus)):
        for text in range(1, number // 4 + 1):
            yield f"AudioData/{speaker}/{code}{text:02}.wav"


def shemo(corpus):
    speakers = [f"F{n:02}" for n in range(1, 32)] + [f"M{n:02}" for n in range(1, 57)]
    for code, number in codes(corpus):
        for take, speaker in islice(product(range(1, 40), speakers), number):
            yield f"{'female' if speaker[0] == 'F' else 'male'}/{speaker}{code}{take:02}.wav"


def subesco(corpus):
    speakers = [f"{gender}_{n:02}_NAME" for gender in "FM" for n in range(1, 11)]
    for speaker, (code, number), take in product(speakers, codes(corpus), range(1, 6)):
        for text in range(1, number // 100 + 1):
            yield f"SUBESCO/{speaker}_S_{text}_{code}_{take}.wav"


def tess(corpus):
    for speaker, (code, number) in product(("OAF", "YAF"), codes(corpus)):
        for word in islice(WORDS, number // 2):
            odd = (speaker, word, code) == ("OAF", WORDS[3], "neutral")
            yield f"{speaker}_{code}/{'OA' if odd else speaker}_{word}_{code}.wav"


def shuffled(corpus, rest=""):
    """A label for each utterance."""
    labels = list(itertools.chain(*([code] * number for code, number in codes(corpus)), rest))
    Random(0).shuffle(labels)
    return labels


def meld(corpus):
    """Beside the CSV files; the two recordings that the release lacks are in no count."""
    return (f"{row[0]}/dia{row[1]}_utt{row[2]}.mp4" for row in meld_rows(corpus))


def meld_rows(corpus):
    labels, scale = shuffled(corpus), sum(corpus.counts.values()) / 13706
    splits = {
        "train_splits": 9988,
        "dev_splits_complete": 1108,
        "output_repeated_splits_test": 2610,
    }
    for split, number in splits.items():
        for n in range(round(scale * number)):
            if labels:
                yield split, n // 10, n % 10, labels.pop(), f"Speaker {n % 100}"
    for n, label in enumerate(labels):  # of rounding
        yield split, 9000, n, label, "Speaker 0"


def mspimprov(corpus):
    return (f"Audio/session{id[14]}/MSP-{id}.wav" for id, _ in improv_rows(corpus))


def improv_rows(corpus):
    labels = shuffled(corpus, "X" * 64)
    made = product(range(1, 21), "AHNS", "PRST", ("FM", "MF"), range(1, 10), range(1, 7), "FM")
    for scenario, target, kind, pair, turn, session, gender in made:
        if not labels:
            return
        name = f"IMPROV-S{scenario:02}{target}-{gender}{session:02}-{kind}-{pair}{turn:02}"
        yield name, labels.pop()


def msppodcast(corpus):
    return (f"Audios/{row[0]}" for row in podcast_rows())


def podcast_rows():
    splits = ["Train"] * 6 + ["Development", "Test1", "Test2"]
    for n, (code, split) in enumerate(product("ACDFHNOSUX", splits)):
        speaker = "Unknown" if n % 7 == 0 else f"{split}{n % 3}"
        yield f"MSP-PODCAST_{n:04}_0001.wav", code, speaker, ("Male", "Female")[n % 2], split


def write_lists(name, corpus, folder):
    """The lists of labels that three corpora have."""
    if name == "meld":
        rows = list(meld_rows(corpus))
        lost = [("train_splits", 125, 3), ("dev_splits_complete", 110, 7)]
        rows = [row if row[:3] not in lost else (row[0], 5000, 0, *row[3:]) for row in rows]
        rows += [(*place, "neutral", "Joey") for place in lost]
        for split, file in zip(dict.fromkeys(row[0] for row in rows), corpus.lists, strict=True):
            with open(folder / file.file, "w", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"])
                writer.writerows(
                    ("Hi, you.", r[4], r[3], r[1], r[2]) for r in rows if r[0] == split
                )
        for place in lost:
            path = folder / f"{place[0]}/dia{place[1]}_utt{place[2]}.mp4"
            if path.exists():
                path.rename(path.with_name("dia5000_utt0.mp4"))
    elif name == "mspimprov":
        lines = [f"UTD-{id}.avi; {label}; A:3.0 ; V:3.5 ; D:3.0 ; N:4.0;\nsomeone; N;\n"
                 for id, label in improv_rows(corpus)]  # fmt: skip
        (folder / "Evalution.txt").write_text("".join(lines))
    elif name == "msppodcast":
        (folder / "Labels").mkdir()
        with open(folder / "Labels/labels_consensus.csv", "w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["FileName", "EmoClass", "SpkrID", "Gender", "Split_Set"])
            writer.writerows(podcast_rows())


@pytest.fixture
def make(tmp_path):
    """The corpus, and a complete tree of empty files with its names.

    Of the large corpora a part is expected, unless the tree is to be ``complete``.
    """

    def build(name, complete=False):
        corpus = read_corpus(DECLARED / f"{name}.yaml")
        if name in PARTS and not complete:
            fewer = {e: max(n // PARTS[name], 30) for e, n in corpus.counts.items()}
            corpus = msgspec.structs.replace(corpus, counts=fewer)
        folder = tmp_path / name
        for path in globals()[name](corpus):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        write_lists(name, corpus, folder)
        return corpus, folder

    return build


def counts(corpus, found):
    emotions = Counter(u.emotion for u in found.utterances)
    return {emotion: emotions[emotion] for emotion in corpus.counts}


COMPLETE = [pytest.param(name, True, marks=pytest.mark.slow) for name in PARTS]


@pytest.mark.parametrize(("name", "complete"), [*((name, False) for name in NAMES), *COMPLETE])
def test_a_tree_is_read_whole_and_its_faults_are_told(make, name, complete):
    corpus, folder = make(name, complete)
    found = corpus.scan(folder)
    assert not found.problems
    assert {w.split(": ")[1] for w in found.warnings} <= {"is of a split that is not used"}
    assert counts(corpus, found) == dict(corpus.counts)
    assert found.expected == {name: corpus.counts}
    speakers = {u.speaker for u in found.utterances} - {""}
    if name not in ("meld", "msppodcast", "shemo"):
        assert len(speakers) == corpus.speakers
    genders = {u.gender for u in found.utterances}
    assert genders == {"meld": {""}, "esd": {""}, "aesdd": {""}, "tess": {"female"},
                       "savee": {"male"}}.get(name, {"female", "male"})  # fmt: skip
    ids = {u.id for u in found.utterances}
    assert len(ids) == len(found.utterances)

    # A recording too many, a copy, and a readme.
    some = folder / next(u for u in found.utterances).path
    (some.parent / f"{some.stem} copy{some.suffix}").touch()
    (folder / "second").mkdir()
    (folder / "second/readme.txt").touch()
    again = corpus.scan(folder)
    assert again.utterances == found.utterances and not again.problems
    (told,) = [w for w in again.warnings if w not in found.warnings]
    assert told.startswith(
        f"{some.parent / some.stem} copy{some.suffix}: is not named as a recording"
    )

    # The folders of the classes, or of what else, in lower case.
    (some.parent / f"{some.stem} copy{some.suffix}").unlink()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            path.rename(path.with_name(path.name.lower()))
    again = corpus.scan(folder)
    assert {u.id.lower() for u in again.utterances} == {i.lower() for i in ids}
    assert counts(corpus, again) == dict(corpus.counts) and not again.problems

    # One recording is missing.
    lost = next(u for u in again.utterances if u.emotion in corpus.counts or not corpus.counts)
    (folder / lost.path).unlink()
    fewer = corpus.scan(folder)
    if corpus.lists:
        (problem,) = fewer.problems
        assert problem.endswith(": there is no such recording") and ", line " in problem
    if corpus.counts:
        table, differs = compare_counts(fewer.utterances, fewer.expected, [lost.emotion])
        total = corpus.counts[lost.emotion]
        assert differs and f"{total - 1}/{total}" in table
    even = not any(n % corpus.speakers for n in corpus.counts.values()) and not corpus.lists
    if even:
        each = corpus.counts[lost.emotion] // corpus.speakers
        line = f"{lost.speaker}, {lost.emotion}: has {each - 1} of {each} recordings"
        assert line in fewer.warnings or corpus.speakers == 2


@pytest.mark.parametrize("name", NAMES)
def test_its_recipe_has_its_classes_and_a_protocol_that_fits(make, name):
    corpus, folder = make(name)
    path = str(ROOT / f"recipes/Corpora/hparams/{name}.yaml")
    recipe = read_arguments([path, "--data_folder=x"]).values
    assert recipe["corpus"] == name == corpus.corpus
    utterances = [u for u in corpus.scan(folder).utterances if u.emotion in recipe["labels"]]
    if corpus.counts:
        assert recipe["labels"] == sorted(corpus.counts)
    folds = folds_of(utterances, recipe)
    assert sum(len(fold.test) for fold in folds) == (
        sum(u.split == "test" for u in utterances) if "given" in recipe["protocol"]
        else len(utterances)
    )  # fmt: skip
    shares = recipe["protocol"] == "given_shared"
    assert all(bool(fold.shared_speakers) == shares for fold in folds)


def test_the_published_numbers_add_up():
    for name in NAMES:
        corpus = read_corpus(DECLARED / f"{name}.yaml")
        left = {"meld": 2, "mspimprov": 640, "msppodcast": corpus.utterances}.get(name, 0)
        assert sum(corpus.counts.values()) == corpus.utterances - left, name


def test_savees_two_layouts_are_one_corpus(tmp_path):
    corpus = read_corpus(DECLARED / "savee.yaml")
    first = corpus.utterance("AudioData/KL/su07.wav")
    assert first.id == corpus.utterance("ALL/KL_su07.wav").id == "savee/KL_su07"
    assert first.emotion == "surprised" and corpus.utterance("ALL/KL_x07.wav") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "("}, "missing \\), unterminated subpattern"),
        ({"name": "x"}, "name does not match the example 03a01Fa.wav"),
        ({"speakers": "ten"}, "speakers is 'ten'; it must be a whole number"),
        ({"nmae": "x"}, "it has the unknown key"),
        ({"emotion": None}, "emotion is None"),
    ],
)
def test_a_faulty_declaration_is_named(tmp_path, change, message):
    content = yaml.safe_load((DECLARED / "emodb.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content | {"example": "03a01Fa.wav"} | change))
    with pytest.raises(CorpusError, match=rf"^{path}: .*{message}"):
        read_corpus(path)


def test_a_corpus_of_ones_own(tmp_path):
    scan = load_module("recipes/Corpora/corpora_prepare.py").scan
    with pytest.raises(CorpusError, match=r"no corpus 'cremat'; .* has: aesdd, .*mean 'cremad'\?"):
        scan(tmp_path, "cremat")
    content = {
        "corpus": "mine", "title": "My recordings", "license": "mine", "url": "none",
        "unpack": "the recordings", "languages": ["English"], "speakers": 2, "utterances": 8,
        "name": r"(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)_\d\d", "example": "anna_angry_03.wav",
        "emotion": {}, "gender": {"female": "anna", "male": "ben"},
    }  # fmt: skip
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    noise = np.random.default_rng(0).normal(0, 0.1, 4000)
    for speaker, emotion, n in product(("anna", "ben"), ("angry", "calm"), (1, 2)):
        soundfile.write(tmp_path / f"{speaker}_{emotion}_{n:02}.wav", noise, 16000)
    taken = prepare(read_corpus(path).scan, tmp_path, tmp_path / "p", ["angry", "calm"], {})
    assert Counter((u.speaker, u.gender, u.emotion) for u in taken.utterances) == {
        (f"mine/{speaker}", gender, emotion): 2
        for (speaker, gender), emotion in product(
            (("anna", "female"), ("ben", "male")), ("angry", "calm")
        )
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: (f / "Labels/labels_consensus.csv").unlink(),
            "labels_consensus.csv: is missing",
        ),
        (lambda f: rewrite(f, "EmoClass", "Emo"), "no column 'EmoClass'; it has: FileName, Emo, "),
    ],
)
def test_a_list_of_labels_that_cannot_be_used_is_named(make, change, message):
    corpus, folder = make("msppodcast")
    change(folder)
    with pytest.raises(CorpusError, match=message):
        corpus.scan(folder)


def rewrite(folder, old, new):
    path = folder / "Labels/labels_consensus.csv"
    path.write_text(path.read_text().replace(old, new))


def test_msp_podcasts_rows_are_read_by_the_list(make):
    corpus, folder = make("msppodcast")
    found = {u.id: u for u in corpus.scan(folder).utterances}
    assert {u.split for u in found.values()} == {"train", "valid", "test"}
    assert found["msppodcast/MSP-PODCAST_0000_0001"].speaker == ""
    assert found["msppodcast/MSP-PODCAST_0001_0001"].speaker == "msppodcast/Train1"
    assert {u.emotion for u in found.values()} >= {"angry", "contemptuous", "undecided"}
    path = folder / "Labels/labels_consensus.csv"
    path.write_text(path.read_text() + "MSP-PODCAST_0001_0001.wav,A\n")
    (problem,) = corpus.scan(folder).problems
    assert problem.endswith(": 2 columns instead of 5")
