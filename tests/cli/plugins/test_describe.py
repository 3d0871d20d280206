"""``camser plugins describe``: what a recipe builds, seen from what it computes."""

import json
import os

import pytest
import torch

from camser.cli import main
from camser.cli.plugins import model_summary, recipe
from camser.cli.plugins.model_drawing import draw
from camser.config.settings import SettingsError
from camser.encoders import FrameSpec
from camser.fusion import Fusion
from tests.helpers.recipe_runs import TINY

SPECS = {
    "a": FrameSpec(4, 3, "mean"),
    "b": FrameSpec(5, 2, "flatten"),
    "c": FrameSpec(6, 1, "mean"),
}


def describe(*overrides, yaml=TINY):
    settings = recipe.read([yaml, *overrides])
    return model_summary.summarize_model(*recipe.build(settings), settings.values["labels"])


def described(capsys, *arguments):
    main(["plugins", "describe", *arguments])
    return capsys.readouterr().out


class Means(Fusion):
    """Every modality's mean over frames and channels."""

    out_features = 1

    def projections(self, frames):
        return {name: value.mean(dim=(1, 2))[:, None] for name, value in frames.items()}

    def forward(self, frames):
        return sum(self.projections(frames).values())


class Pair(Means):
    """Without one part; two modalities weigh each other."""

    out_features = 2

    def forward(self, frames):
        parts = self.projections(frames)
        return torch.cat([parts["a"], parts["c"]], dim=1)

    def attention_weights(self, frames):
        a, b = frames["a"].mean(dim=2), frames["b"].mean(dim=2)
        return {"a": a * b.mean(), "b": (b * a.mean()).softmax(dim=1)}


def test_what_weighs_and_what_is_fused_is_seen_from_what_a_fusion_computes():
    parts = model_summary.summarize_fusion(Pair(SPECS))
    assert {name: part["weighed_by"] for name, part in parts.items()} == {
        "a": ["b"],
        "b": ["a"],
        "c": None,
    }
    assert {name: part["is_fused"] for name, part in parts.items()} == {
        "a": True,
        "b": False,
        "c": True,
    }


def test_those_that_weigh_each_other_are_drawn_as_weighed():
    found = describe()
    encoders = dict(zip("abc", found["encoders"].values(), strict=True))
    fusion = {**found["fusion"], "parts": model_summary.summarize_fusion(Pair(SPECS))}
    lines = draw({**found, "encoders": encoders, "fusion": fusion}).splitlines()
    roles = [line.split()[1:5] for line in lines[7:10]]
    assert roles == [
        ["a", "weighed", "by", "b"],
        ["b", "weighed", "by", "a"],
        ["c", "[1]", "──┤"],
    ]


def test_where_the_fused_vector_is_no_concatenation_all_parts_make_it():
    parts = model_summary.summarize_fusion(Means(SPECS))
    assert [part["is_fused"] for part in parts.values()] == [True] * 3
    assert [part["features"] for part in parts.values()] == [1, 1, 1]


def test_weights_that_have_no_gradient_are_weights_of_unknown_guides():
    class Fixed(Means):
        def attention_weights(self, frames):
            return {"a": torch.ones(1, 4)}

    assert model_summary.summarize_fusion(Fixed(SPECS))["a"]["weighed_by"] == []


def test_the_numbers_are_those_of_the_model():
    found = describe()
    model, head = recipe.build(recipe.read([TINY]))
    count = sum(p.numel() for p in (*model.parameters(), *head.parameters()))
    trained = [p for p in (*model.parameters(), *head.parameters()) if p.requires_grad]
    assert found["total"] == {"parameters": count, "trained": sum(p.numel() for p in trained)}
    waves = torch.zeros(1, 1 + found["segment_samples"])
    frames = {name: list(value.shape[1:]) for name, value in model.eval().encode(waves).items()}
    assert {name: part["frames"] for name, part in found["encoders"].items()} == frames
    seen = model.intermediates(waves)
    parts = {name: part["features"] for name, part in found["fusion"]["parts"].items()}
    assert parts == {name: part.shape[1] for name, part in seen.projections.items()}
    assert found["fusion"]["out_features"] == seen.fused.shape[1]
    assert found["embedding_size"] == found["hidden"]["sizes"][-1] == seen.embeddings.shape[1]
    assert found["head"]["classes"] == len(found["head"]["labels"])
    assert found["encoders"]["spectrogram"]["trained"] == 0  # frozen, in the demo


def test_a_recipe_says_how_frames_are_pooled():
    found = describe("--fusion=concat", "--fusions={concat: {pooling: {mfcc: statistics}}}")
    told = {name: (e["pooling"], e["standardised"]) for name, e in found["encoders"].items()}
    assert told == {
        "mfcc": ("statistics", False),
        "spectrogram": ("mean", True),
        "wav2vec2": ("mean", False),
    }


def test_the_picture_is_aligned_and_shows_who_guides_whom_and_what_goes_on(capsys):
    keep = "--fusions={co_attention: {output_modalities: [mfcc, wav2vec2]}}"
    lines = described(capsys, TINY, keep).splitlines()
    at = {max(line.find(corner) for corner in "┐┤┘") for line in lines if set(line) & set("┐┤┘")}
    assert len(at) == 1
    assert len({len(line) for line in lines if line.endswith(tuple("0123456789"))}) == 1
    above, fused = lines[:6], lines[6:]
    ends = [line.split("[")[1] for line in above[2:5]]
    assert [end.split()[-3] for end in ends] == ["──┐", "──┤", "──┤"]
    (mfcc, spectrogram, wav2vec2) = (line.split() for line in fused[1:4])
    assert mfcc[1:4] == ["mfcc", "guides", "wav2vec2"] and mfcc[-1] == "──┐"
    assert spectrogram[1:4] == ["spectrogram", "guides", "wav2vec2"] and spectrogram[-1] == "│"
    assert wav2vec2[1:6] == ["wav2vec2", "weighed", "by", "mfcc,", "spectrogram"]
    assert wav2vec2[-1] == "──┤"
    assert "fused vector" in fused[5] and "[32]" in fused[5]


def test_one_modality_and_no_hidden_layers_are_drawn_too(capsys):
    alone = ["--modalities", "[mfcc]", "--fusion", "concat"]
    direct = "--embedding_model={hidden_sizes: []}"
    lines = described(capsys, TINY, *alone, direct).splitlines()
    assert [line.split()[0] for line in lines if line] == [
        *["parameters", "waveform", "└─", "┌" + lines[3].split()[0][1:], "concat", "└─"],
        *["┌" + lines[6].split()[0][1:], "fused", "│", "embedding", "│", "head", "total"],
    ]


def test_the_same_as_data_wherever_the_option_stands(capsys):
    alone = ["--modalities=[mfcc]", "--fusion=concat"]
    expected = describe(*alone)
    assert json.loads(described(capsys, "--json", TINY, *alone)) == expected
    assert json.loads(described(capsys, TINY, *alone, "--json")) == expected


def test_a_variant_of_any_shipped_recipe_is_described_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = [
        "--variant=wav2vec2",
        "--encoders={wav2vec2: {source: null, config: {model_type: wav2vec2}}}",
    ]
    for yaml in ("hparams/ablation.yaml", "IEMOCAP/hparams/ablation.yaml"):
        assert list(recipe.read([yaml, *small]).values["modalities"]) == ["wav2vec2"]
    assert not list(tmp_path.iterdir())


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(describe(f"--output_folder={tmp_path}/run"))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hparams/camser.yaml"], "several recipes have it; give one of: camser:Corpora/h"),
        (["hparams/no.yaml"], "no such file, from here or in a recipe; give one of: camser:Cor"),
        ([TINY, "--fusoin=concat"], r"no setting 'fusoin'. Did you mean 'fusion'\?"),
        ([TINY, "--fusion=concta"], r"'concta' is not among the fusions: .*'concat'\?"),
        ([TINY, "--embedding_model={dropuot: 1}"], "cannot be built: .*'dropuot'"),
        (
            [TINY, "--embedding_model=!new:torch.nn.Identity {}"],
            "is of the class Identity; only a model from camser",
        ),
    ],
)
def test_a_mistake_is_one_message(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=f"^camser: .*{message}"):
        main(["plugins", "describe", *arguments])


def test_weights_that_cannot_be_had_are_told_with_how_to_do_without():
    weights = ["--encoders", "{spectrogram: {weights: no/such}, wav2vec2: {source: /no/such}}"]
    with pytest.raises(
        ValueError, match="encoder 'spectrogram': the weights 'no/such' cannot"
    ) as e:
        recipe.build(recipe.read([TINY, *weights]))
    override = str(e.value).partition('--encoders="')[2].removesuffix('"')
    recipe.build(recipe.read([TINY, f"--encoders={override}"]))


def test_a_placeholder_other_than_the_corpus_is_asked_for(tmp_path):
    (tmp_path / "mine.yaml").write_text(f"include: {TINY}\nlabels: !PLACEHOLDER\n")
    with pytest.raises(SettingsError, match="labels is not set; give --labels=…"):
        recipe.read([str(tmp_path / "mine.yaml")])
