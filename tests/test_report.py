"""From results files to a report: rows, refusals, intervals, the words on optimistic scores."""

import json
import random
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from camser import metrics, results
from camser.cli import main
from camser.corpus import Utterance
from camser.report import pictures, published, tables
from camser.report.collecting import ReportError, collect
from camser.report.comparisons import leak_table, pair_table, table_1
from camser.report.write import put_table, write_report

LABELS = ["angry", "sad", "happy", "neutral"]
OPTIMISTIC = "selected on the test fold (optimistic)"
MODALITIES = ["mfcc", "spectrogram", "wav2vec2"]
ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm"},
    "spectrogram": {"plugin": "spectrogram_alexnet", "weights": "imagenet"},
    "wav2vec2": {"plugin": "wav2vec2", "source": "facebook/wav2vec2-base-960h"},
}
FUSIONS = {
    "concat": {"plugin": "concat"},
    "co_attention": {"plugin": "co_attention", "target": "wav2vec2", "keep": None},
    "gated": {"plugin": "gated"},
    "low_rank": {"plugin": "low_rank", "rank": 4},
    "attentive": {"plugin": "attentive", "statistics": False},
}


def settings(fold, seed, modalities=MODALITIES, fusion="co_attention", **more):
    return {
        "fold": fold,
        "seed": seed,
        "modalities": list(modalities),
        "encoders": {name: dict(ENCODERS[name]) for name in modalities},
        "fusion": fusion,
        "fusions": {fusion: FUSIONS[fusion]},
        "segment_seconds": 3.0,
        **more,
    }


def make(
    folder, variant, fold=0, seed=1, skill=0.7, labels=LABELS, truths=LABELS * 3, manifest="m",
    corpus="iemocap", protocol="leave_one_speaker_out", selection="held_out", **asked,
):  # fmt: skip
    """A run's files, its predictions right with a probability of ``skill``."""
    rng = random.Random(f"{variant} {fold} {seed}")
    speaker = f"{corpus}/{fold}"
    rows = [
        Utterance(
            f"{speaker}/{i}", corpus, f"{i}.wav", 1.0 + i, speaker, ("male", "female")[fold % 2],
            style="scripted" if i % 2 else "improvised", emotion=emotion, text=f"words {i % 3}",
        )
        for i, emotion in enumerate(truths)
    ]  # fmt: skip
    scores = np.log(np.full((len(rows), len(labels)), 0.1 / (len(labels) - 1)))
    guesses = [u.emotion if rng.random() < skill else rng.choice(labels) for u in rows]
    for i, guess in enumerate(guesses):
        scores[i, labels.index(guess)] = np.log(0.9)
    place = folder / corpus / variant / protocol / selection / f"fold{fold}-seed{seed}"
    results.write_predictions(place, rows, scores.tolist(), labels, {"words 1"})
    found = metrics.scores(
        [labels.index(u.emotion) for u in rows], scores.argmax(axis=1).tolist(), labels
    )
    results.write_results(
        place,
        {
            "corpus": corpus, "protocol": protocol, "selection": selection, "fold": fold,
            "fold_name": speaker, "seed": seed, "variant": variant, "labels": list(labels),
            "settings": settings(fold, seed, **asked), **found,
            "parts": {"train": 9, "valid": 3, "test": 12}, "best_epoch": 2, "epochs": 3,
            "seconds": 1.0, "device": "cpu",
            "versions": {"camser": "1"}, "plugins": {"mfcc": {"distribution": "camser",
            "version": "1"}}, "manifest": manifest,
        },
    )  # fmt: skip
    rows = [
        {"epoch": n, "train_loss": 1 / n, "valid_loss": 1.2 / n, "valid_WA": 0.5, "valid_UA": 0.5}
        for n in (1, 2, 3)
    ]
    results.write_history(place, rows)
    return place


def add_arrays(place):
    """What a run with co-attention leaves beside."""
    rng = np.random.default_rng(0)
    ids = np.array([row["id"] for row in results.read_predictions(place / "predictions.csv")])
    parts = {f"part.{name}": rng.random((len(ids), 6)) for name in (*MODALITIES, "x")}
    arrays = {"ids": ids, **parts, "fused": rng.random((len(ids), 9))}
    results.write_arrays(place / "embeddings.npz", arrays)
    shown = {"0.spectrogram": rng.random((200, 400)), "0.samples": np.array(64000)}
    shown["0.weights.wav2vec2"] = rng.random((2, 149))
    results.write_arrays(place / "attention.npz", {"ids": ids[:1], **shown})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two variants on four folds, the first with two seeds, and one selected on the test fold."""
    tmp_path = tmp_path_factory.mktemp("runs")
    for fold in range(4):
        for seed in (1, 2):
            add_arrays(make(tmp_path, "all_coatt", fold, seed))
        add_arrays(make(tmp_path, "all_concat", fold, skill=0.5, fusion="concat"))
        make(tmp_path, "all_coatt", fold, skill=0.95, selection="test_fold")
    return tmp_path


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    """A report of them."""
    return write_report(collect([runs]), tmp_path_factory.mktemp("report"))


def test_rows_hold_folds_seeds_and_pooled_scores(runs):
    honest, biased = collect([runs])
    assert (honest.selection, biased.selection) == ("held_out", "test_fold")
    assert list(honest.variants) == ["all_concat", "all_coatt"]  # Table 2's order
    variant = honest.variants["all_coatt"]
    assert [run.key for run in variant.runs] == [(f, s) for f in range(4) for s in (1, 2)]
    for fold in range(4):
        mine = [r.results for r in variant.runs if r.key[0] == fold]
        for score in ("WA", "UA", "macro_F1"):
            mean = sum(r[score] for r in mine) / 2
            assert variant.folds[f"iemocap/{fold}"][score] == pytest.approx(mean)
    counts = sum(np.array(run.results["confusion"]) for run in variant.runs)
    assert np.array_equal(variant.pooled["confusion"], counts)
    assert variant.pooled["WA"] == pytest.approx(counts.trace() / counts.sum())


def test_the_main_table_stands_beside_the_published_one(runs, tmp_path):
    table = tables.main_table(collect([runs])[0])
    named = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    row = named["all_coatt: MFCC+Spectrogram+W2E (w/ co-att)"]
    assert (row["published WA"], row["published UA"]) == ("71.64", "72.70")
    assert row["runs"] == "4 of 4 folds, 2 seeds"
    folds = [f["WA"] for f in collect([runs])[0].variants["all_coatt"].folds.values()]
    assert row["WA"] == f"{100 * np.mean(folds):.1f} ± {100 * np.std(folds, ddof=1):.1f}"
    assert OPTIMISTIC in table.caption  # the published numbers are
    other = collect([make(tmp_path, "x", corpus="emodb")])[0]
    assert "published WA" not in tables.main_table(other).header


def test_every_row_of_table_2_is_one_of_the_ablation():
    assert list(published.TABLE_2)[-1] == published.WHOLE and len(published.TABLE_2) == 10


def test_all_that_is_selected_on_the_test_fold_says_so(runs, page):
    honest, biased = collect([runs])
    for make_table in (tables.main_table, tables.fold_table, tables.class_table,
                       tables.group_table, pair_table):  # fmt: skip
        assert OPTIMISTIC in make_table(biased).caption
    assert OPTIMISTIC not in tables.fold_table(honest).caption
    leak = leak_table(honest, biased)
    assert sum(OPTIMISTIC in cell for cell in leak.header) == 2
    shown = dict(zip(leak.header, leak.rows[0], strict=True))
    one, other = (
        {run.key: run.results["WA"] for run in section.variants["all_coatt"].runs}
        for section in (honest, biased)
    )
    gap = np.mean([other[key] - one[key] for key in other])
    assert shown["runs"] == "4"
    assert shown["gap WA"] == f"{100 * gap:+.1f}"
    mine = [row for row in table_1([honest, biased]).rows if "all_coatt" in row[0]]
    assert [OPTIMISTIC in row[0] for row in mine] == [False, True]
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", page.with_suffix(".md").read_text())
    assert {OPTIMISTIC in caption for caption, name in pictures if "test_fold" in name} == {True}


def test_a_report_has_every_figure_and_its_page_needs_no_other_file(page):
    names = {path.stem.split("held_out-")[-1] for path in page.parent.glob("*held_out*.png")}
    assert names == {
        "variants-UA", "variants-WA", "confusion", "reliability", "groups", "tsne", "attention",
        "curves-all_concat", "curves-all_coatt",
    }  # fmt: skip
    for path in page.parent.glob("*.svg"):
        ElementTree.parse(path)
        assert path.with_suffix(".png").stat().st_size > 5000
    sources, tags = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            sources.extend(v for k, v in attributes if k in ("src", "href"))

    Reader().feed(page.read_text())
    assert sources and all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert "script" not in tags and tags.count("table") >= 8
    told = json.loads((page.parent / "report.json").read_text())
    assert told["sections"][0]["variants"]["all_coatt"]["pooled"]["num_utterances"] == 96


def test_groups_and_texts_are_told(runs):
    section = collect([runs])[0]
    rows = {row[0]: row[1:] for row in tables.group_table(section).rows}
    assert {name.split(":")[0] for name in rows} == {"gender", "style", "length", "text"}
    assert "length: under 2 s (n = 4)" in rows and "text: new text (n = 32)" in rows
    assert list(rows)[:3] == [*sorted(list(rows)[:2]), "length: under 2 s (n = 4)"]
    assert tables.text_note(section).startswith("16 of 48 tested utterances (33.3 %)")


def test_pairs_are_tested_on_shared_folds_and_one_seed(runs):
    section = collect([runs])[0]
    row = dict(zip(pair_table(section).header, pair_table(section).rows[0], strict=True))
    one, other = (section.variants[n].folds for n in ("all_concat", "all_coatt"))
    delta = [one[f]["WA"] - other[f]["WA"] for f in one]
    assert row["ΔWA"] == f"{100 * np.mean(delta):+.1f} ± {100 * np.std(delta, ddof=1):.1f}"
    right = [
        {r["id"]: r["label"] == r["prediction"] for run in section.variants[n].runs
         if run.results["seed"] == 1 for r in run.predictions}
        for n in ("all_concat", "all_coatt")
    ]  # fmt: skip
    only = [sum(a[i] and not b[i] for i in a) for a, b in (right, right[::-1])]
    assert row["only one right"] == f"{only[0]} / {only[1]}"


def test_a_fold_without_a_class_is_marked(tmp_path):
    make(tmp_path, "a", 0)
    make(tmp_path, "a", 1, truths=["angry", "sad", "neutral"] * 3)
    table = tables.fold_table(collect([tmp_path])[0])
    assert table.rows[1][0] == "iemocap/1 †(happy)" and "UA is over the others" in table.caption
    assert "†" not in table.rows[0][0]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"manifest": "n"}, "differ in manifest: 'm', 'n'"),
        ({"labels": LABELS[::-1]}, r"differ in labels: \['angry'.*\], \['neutral'"),
        ({"batch_size": 3}, "differ in batch_size: None, 3"),
        ({"modalities": ["wav2vec2"]}, r"differ in modalities: \['mfcc', .*\], \['wav2vec2'\]"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(tmp_path, change, words):
    one, other = make(tmp_path, "a", 0), make(tmp_path, "a", 1, **change)
    with pytest.raises(ReportError, match=words) as error:
        collect([tmp_path])
    assert str(one) in str(error.value) and str(other) in str(error.value)


def test_variants_on_other_data_or_labels_are_refused_too(tmp_path):
    make(tmp_path, "a", 0), make(tmp_path, "b", 0, manifest="n")
    with pytest.raises(ReportError, match="differ in manifest"):
        collect([tmp_path])


def test_the_same_run_twice_is_refused(tmp_path):
    make(tmp_path / "x", "a", 0), make(tmp_path / "y", "a", 0)
    with pytest.raises(ReportError, match="are the same fold and seed"):
        collect([tmp_path])


def test_corpora_and_protocols_have_sections_of_their_own(tmp_path):
    make(tmp_path, "a"), make(tmp_path, "a", corpus="emodb", manifest="e")
    make(tmp_path, "a", protocol="leave_one_session_out")
    found = [(s.corpus, s.protocol) for s in collect([tmp_path])]
    assert found == [
        ("emodb", "leave_one_speaker_out"),
        ("iemocap", "leave_one_session_out"),
        ("iemocap", "leave_one_speaker_out"),
    ]


def test_damage_and_absence_are_one_message(tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"no results\.json below"):
        main(["report", str(tmp_path)])
    place = make(tmp_path, "a")
    lines = (place / "predictions.csv").read_text().splitlines(keepends=True)
    (place / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(SystemExit, match=r"predictions\.csv is damaged: .* bytes instead of"):
        main(["report", str(tmp_path)])
    old = json.loads((place / "results.json").read_text()) | {"format": 2}  # which had no digests
    del old["digest"], old["files"]
    (place / "results.json").write_text(json.dumps(old))
    with pytest.raises(SystemExit, match=r"has 11 rows, results.json 12 utterances"):
        main(["report", str(tmp_path)])
    (place / "results.json").write_text("{")
    with pytest.raises(SystemExit, match=r"results.json is damaged .*; delete it and run again"):
        main(["report", str(tmp_path)])


def test_the_main_table_goes_between_a_readmes_marks(runs, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table -->\nstale\n<!-- end -->\nafter\n")
    put_table(collect([runs]), readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "stale" not in text
    for section in collect([runs]):
        assert tables.main_table(section).caption in text
    put_table(collect([runs]), readme)
    assert readme.read_text() == text
    readme.write_text("before\n<!-- table -->\n<!-- end -->\nafter\n")
    put_table(collect([runs]), readme)
    assert readme.read_text() == text
    readme.write_text("nothing")
    with pytest.raises(ReportError, match="has no lines <!-- table -->"):
        put_table(collect([runs]), readme)


def test_published_numbers_stand_beside_their_own_system_alone():
    def beside(corpus="iemocap", protocol="leave_one_speaker_out", labels=LABELS, **change):
        asked = settings(0, 1, fusion=change.pop("fusion", "co_attention"))
        asked["encoders"]["wav2vec2"] |= change
        return published.beside(asked, corpus, protocol, labels)

    assert beside() == (71.64, 72.70) and beside(fusion="concat") == (67.22, 67.81)
    assert beside(source="local/wav2vec2-base-960h/") == (71.64, 72.70)
    for other in (
        beside(source="microsoft/wavlm-base"), beside(source=None), beside(corpus="emodb"),
        beside(protocol="leave_one_session_out"), beside(labels=[*LABELS, "calm"]),
        beside(plugin="whisper"),
    ):  # fmt: skip
        assert other is None
    for fusion in ("gated", "low_rank", "attentive"):
        assert published.row_name(settings(0, 1, fusion=fusion)) is None
    wavlm = settings(0, 1)
    wavlm["encoders"]["wav2vec2"]["source"] = "microsoft/wavlm-base"
    assert published.row_name(wavlm) == "MFCC+Spectrogram+wavlm-base (w/ co-att)"


def test_a_gap_is_the_selections_alone(tmp_path):
    make(tmp_path, "a"), make(tmp_path, "a", selection="test_fold", batch_size=3)
    with pytest.raises(ReportError, match="differ in more than the selection: batch_size"):
        write_report(collect([tmp_path]), tmp_path / "report")


def test_folds_of_another_division_are_refused(tmp_path):
    make(tmp_path, "a", num_folds=4), make(tmp_path, "b", num_folds=5)
    with pytest.raises(ReportError, match="differ in num_folds: 4, 5"):
        collect([tmp_path])


def test_uneven_seeds_are_told_and_utterances_counted_once(tmp_path):
    for fold, seed in ((0, 1), (0, 2), (1, 1)):
        make(tmp_path, "a", fold, seed)
    make(tmp_path, "b", 1, 2)
    section = collect([tmp_path])[0]
    assert tables.main_table(section).rows[0][1] == "2 of 2 folds, 1–2 seeds"
    assert "gender: male (n = 12)" in {row[0] for row in tables.group_table(section).rows}
    assert pair_table(section).rows[0][-2:] == ["–", "–"]  # no seed is shared on a shared fold


def test_a_concatenation_alone_is_not_said_to_attend(tmp_path):
    add_arrays(make(tmp_path, "all_concat", fusion="concat"))
    page = write_report(collect([tmp_path]), tmp_path / "report")
    assert "tsne" in page.with_suffix(".md").read_text()
    svg = next(page.parent.glob("*tsne.svg")).read_text()
    assert "with co-attention" not in svg and "all_concat" in svg


def test_frame_weights_are_shown_whichever_variant_has_them(tmp_path):
    for fusion in ("gated", "attentive", "low_rank", "concat"):
        place = make(tmp_path, fusion, fusion=fusion)
        if fusion == "attentive":
            add_arrays(place)
    (section,) = collect([tmp_path])
    assert list(section.variants) == ["concat", "attentive", "gated", "low_rank"]
    assert section.main.name == "low_rank"
    ((_, caption, _),) = pictures._attention(section)
    assert caption == "Frame weights of attentive over the spectrogram."


@pytest.mark.parametrize("cut", [5, 60])
def test_predictions_cut_off_in_their_last_row_are_damage(tmp_path, cut):
    table = make(tmp_path, "a") / "predictions.csv"
    table.write_text(table.read_text()[:-cut])
    with pytest.raises(results.ResultsError, match=r"predictions.csv (is damaged|has 1. rows)"):
        collect([tmp_path])


def test_odd_names_break_neither_page(tmp_path):
    odd = "a|b <script>*`"
    make(tmp_path, odd), make(tmp_path, "a b"), make(tmp_path, "a+b")
    page = write_report(collect([tmp_path]), tmp_path / "report")
    assert "<script>" not in page.read_text()
    told = page.with_suffix(".md").read_text()
    assert r"a\|b \<script\>\*\`" in told
    assert len(set(re.findall(r"\((\S*curves\S*png)\)", told))) == 3
