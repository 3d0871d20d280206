"""Several corpora at once: joined without mixing them up, and divided with each in mind."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from camser import audio
from camser.data.dataset import SegmentDataset, SegmentIndex
from camser.data.folds import make_folds
from camser.data.manifest import ManifestError, Utterance, audio_path, read_manifest
from camser.data.packed_audio import PackedAudio
from camser.data.prepare import CorpusError, CorpusScan, prepare
from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.multimodal import MultimodalEncoder
from camser.runtime.digests import digest
from camser.segments import preemphasize
from camser.training.feature_cache import cache_features
from tests.helpers.two_corpora import ACTORS, SPEAKERS, write, write_corpora

LABELS = ["angry", "sad", "happy", "neutral"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("several"))


@pytest.fixture
def join(scans, folders, tmp_path):
    """Prepare what ``data_folder`` names, small as it is."""

    def go(data_folder=folders, scans=scans, **more):
        settings = {
            "labels": LABELS,
            "merge_labels": {"excited": "happy"},
            "allow_missing": True,
            **more,
        }
        return prepare(scans, data_folder, tmp_path / "prepared", **settings).utterances

    return go


def test_corpora_are_joined_one_after_the_other(join, folders, tmp_path):
    joined = join()
    assert Counter((u.corpus, u.emotion) for u in joined) == {
        **{("emodb", label): len(SPEAKERS) for label in LABELS},
        **{("ravdess", label): len(ACTORS) for label in LABELS},
    }
    assert [corpus for corpus, _ in itertools.groupby(joined, lambda u: u.corpus)] == list(folders)
    assert read_manifest(tmp_path / "prepared/manifest.csv") == joined
    turned = dict(reversed(folders.items()))
    assert join(turned) == joined  # the same data, however it is written


def test_a_part_of_a_joint_manifest_is_what_the_corpus_alone_has(join, scans, folders, tmp_path):
    joined = join()
    for corpus, folder in folders.items():
        part = [u for u in joined if u.corpus == corpus]
        assert read_manifest(tmp_path / "prepared" / corpus / "manifest.csv") == part
        assert (tmp_path / "prepared" / corpus / "audio.json").is_file()
        alone = prepare(scans[corpus], folder, tmp_path / "alone", LABELS, {}, allow_missing=True)
        assert alone.utterances == part


def test_an_unchanged_recording_is_not_read_again_whichever_corpora_take_part(
    join, folders, monkeypatch
):
    join()
    monkeypatch.setattr(audio, "load", None)  # would fail
    join({"emodb": folders["emodb"]})
    join()


def test_a_joint_run_reads_the_samples_that_each_corpus_preparation_kept(
    join, folders, tmp_path, monkeypatch
):
    joined = join()
    with monkeypatch.context() as patched:
        patched.setattr(audio, "load", None)  # would fail
        packed = PackedAudio(joined, folders, tmp_path / "prepared")
    assert [array.path.parent.parent.name for array in packed.arrays] == ["emodb", "ravdess"]
    index = SegmentIndex(joined, 2000)
    dataset = SegmentDataset(joined, index, LABELS, packed)
    host = dataset.__getitems__(range(index.total)).segments
    packed.to("cpu")
    device = dataset.__getitems__(range(index.total)).segments
    assert torch.equal(host, device)
    for u in joined:
        own = torch.from_numpy(audio.load(audio_path(folders, u)))
        assert torch.equal(packed.waveform(u), own)


def test_a_corpus_without_a_folder_is_left_out(join, folders):
    for nothing in (None, ""):
        given = {"iemocap": nothing, "emodb": nothing, "ravdess": folders["ravdess"]}
        assert {u.corpus for u in join(given)} == {"ravdess"}
        assert join(given) == join({"ravdess": folders["ravdess"]})


def test_every_recording_is_found_in_its_own_corpus(join, folders):
    for given in (folders, {corpus: str(folder) for corpus, folder in folders.items()}):
        for u in join(given):
            path = audio_path(given, u)
            assert path == folders[u.corpus] / u.path and digest(path) == u.digest
            assert audio_path(folders[u.corpus], u) == audio_path(str(folders[u.corpus]), u) == path


def test_a_row_of_a_corpus_without_a_folder_is_named(join):
    row = join()[0]
    for given in ({"ravdess": "/data/ravdess"}, {"emodb": None, "ravdess": "/data/ravdess"}):
        with pytest.raises(ManifestError, match=f"{row.id}: data_folder has no folder for 'emodb'"):
            audio_path(given, row)


def test_recordings_of_one_name_in_two_corpora_are_two(tmp_path):
    folders, utterances = {}, []
    for number, corpus in enumerate(("a", "b")):
        folders[corpus] = tmp_path / corpus
        write(folders[corpus] / "wav/01.wav", number)
        seconds = (6000 + number) / audio.SAMPLE_RATE
        name = f"{corpus}/01"
        utterances.append(
            Utterance(name, corpus, "wav/01.wav", seconds, name, "male", emotion="sad", digest=name)
        )
    index = SegmentIndex(utterances, 8000)
    packed = PackedAudio(utterances, folders, tmp_path)
    waves = SegmentDataset(utterances, index, ["sad"], packed).__getitems__([0, 1]).segments
    filtered = preemphasize(waves, 0.97)
    assert not waves[:, 0].any()  # nothing of the other recording
    for wave, u in zip(waves[:, 1:], utterances, strict=True):
        own = torch.from_numpy(audio.load(folders[u.corpus] / "wav/01.wav"))
        assert torch.equal(wave[: len(own)], own) and not wave[len(own) :].any()
    encoder = MFCCBiLSTM(4)
    model = MultimodalEncoder({"mfcc": encoder}, 8000)
    kept = cache_features(model, index, packed, tmp_path)["mfcc"].host
    assert np.allclose(kept, encoder.cacheable_output(filtered).numpy(), atol=1e-5)
    assert not np.allclose(kept[0], kept[1], atol=1e-2)


@pytest.mark.parametrize("given", [None, "/data/emodb", 7, ["emodb"], {}, {"emodb": None}])
def test_a_data_folder_that_names_nothing_says_what_it_must_be(join, given):
    with pytest.raises(CorpusError) as caught:
        join(given)
    assert f"data_folder is {given!r}; it must be a table" in str(caught.value)
    assert '--data_folder="{iemocap: …, emodb: …, ravdess: …}"' in str(caught.value)


def test_an_unknown_corpus_is_named_with_those_that_there_are(join, folders):
    for folder in (folders["emodb"], None):
        with pytest.raises(CorpusError, match="no corpus 'emo'; allowed: iemocap, emodb, ravdess"):
            join({**folders, "emo": folder})


def test_what_is_wrong_with_all_corpora_is_said_at_once(join, folders, tmp_path):
    with pytest.raises(CorpusError) as caught:
        join({**folders, "iemocap": tmp_path / "absent"}, allow_missing=False)
    message = str(caught.value)
    assert f"iemocap: {tmp_path / 'absent'} is missing" in message
    assert f"emodb: {folders['emodb']}: not the expected numbers" in message and "4/127" in message
    assert (
        f"ravdess: {folders['ravdess']}: not the expected numbers" in message and "5/192" in message
    )
    assert not (tmp_path / "prepared/manifest.csv").exists()


@pytest.mark.parametrize("folder", [7, True, ["/data/emodb"]])
def test_a_folder_that_is_no_path_is_refused_with_its_corpus(join, folders, folder):
    with pytest.raises(CorpusError, match=r"^emodb: data_folder is .*; it must be the folder"):
        join({**folders, "emodb": folder})


def test_every_corpus_must_have_every_emotion(join, folders):
    with pytest.raises(CorpusError) as caught:
        join(labels=[*LABELS, "bored", "calm"])
    assert f"emodb: {folders['emodb']}: no utterance of calm" in str(caught.value)
    assert f"ravdess: {folders['ravdess']}: no utterance of bored" in str(caught.value)
    joined = join(labels=[*LABELS, "bored"], merge_labels={"calm": "bored"})
    assert Counter(u.corpus for u in joined if u.emotion == "bored") == {"emodb": 4, "ravdess": 5}


@pytest.mark.parametrize(("target", "source"), [("emodb", "ravdess"), ("ravdess", "emodb")])
def test_across_corpora_the_target_is_tested_whole_and_chooses_nothing(join, target, source):
    (fold,) = make_folds(join(), "cross_corpus", target_corpus=target)
    assert {u.corpus for u in fold.test} == {target}
    assert {u.corpus for u in (*fold.train, *fold.valid)} == {source}
    assert len(fold.test) == sum(u.corpus == target for u in join())
    assert len({u.speaker for u in fold.valid}) == 1


def many(corpus, women, men):
    """A row for each speaker of a corpus."""
    genders = ["female"] * women + ["male"] * men
    names = [(f"{corpus}/{n:02}", gender) for n, gender in enumerate(genders)]
    return [Utterance(n, corpus, "1.wav", 1.0, n, g, emotion="sad") for n, g in names]


SIZES = {"iemocap": (5, 5), "emodb": (5, 5), "ravdess": (12, 12)}


@pytest.mark.parametrize("num_folds", [3, 5, 10, 20])
@pytest.mark.parametrize("corpora", [["emodb", "ravdess"], ["iemocap", "emodb", "ravdess"]])
def test_joint_folds_deal_the_women_and_the_men_of_each_corpus_evenly(corpora, num_folds):
    rows = [u for corpus in corpora for u in many(corpus, *SIZES[corpus])]
    folds = make_folds(rows, "speaker_k_fold", num_folds=num_folds)
    assert Counter(u.id for f in folds for u in f.test) == Counter(u.id for u in rows)

    def spread(*wanted):
        """Between the groups with most and fewest of those whose corpus or gender is wanted."""
        sizes = [sum({u.corpus, u.gender} >= set(wanted) for u in f.test) for f in folds]
        return max(sizes) - min(sizes)

    assert spread() <= 1 and spread("female") <= 1 and spread("male") <= 1
    for corpus in corpora:
        assert spread(corpus, "female") <= 1 and spread(corpus, "male") <= 1
        assert spread(corpus) <= 2
        if num_folds == 5:
            assert spread(corpus) <= SIZES[corpus][0] % 5  # 5 and 5 are dealt without a rest


def test_joint_folds_test_speakers_of_all_corpora_that_were_never_heard(join):
    for fold in make_folds(join(), "speaker_k_fold", num_folds=3):
        assert {u.corpus for u in fold.test} == {u.corpus for u in fold.train} == {
            "emodb", "ravdess"
        }  # fmt: skip
        assert not {u.speaker for u in fold.train} & {u.speaker for u in (*fold.test, *fold.valid)}


@pytest.mark.parametrize("field", ["id", "speaker", "corpus"])
def test_names_that_could_be_another_corpuss_are_refused(join, scans, field):
    def scan(folder):
        found = scans["ravdess"](folder)
        rows = [replace(u, **{field: f"emodb{getattr(u, field)[7:]}"}) for u in found.utterances]
        return CorpusScan(rows, [])

    with pytest.raises(
        CorpusError, match=r"ravdess: the name 'emodb/.*' must begin with 'ravdess/"
    ):
        join(scans={**scans, "ravdess": scan})
