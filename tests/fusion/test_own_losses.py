"""Fusions that give class scores themselves, and losses of their own."""

import itertools
import math

import pytest
import torch
from torch import nn

from camser.build import build_head, build_model, validate_model_config
from camser.cli.plugins.show import plugin_page
from camser.encoders.base import FrameSpec
from camser.heads import EmotionHead, ScoreHead
from camser.model import count_parameters
from camser.over_segments import over_segments
from camser.segments import split_into_segments
from camser.testing import run_checks
from camser.training.class_weights import class_weights
from camser.training.objectives import check_label_smoothing, mean_loss
from tests.helpers.own_losses import NullRuns, Small

ENCODERS = {"mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 4}}
POINTS = ["null_runs = tests.helpers.own_losses:NullRuns", "small = tests.helpers.own_losses:Small"]


@pytest.fixture
def built(install):
    """Build a model with one of the fusions, as from a recipe."""
    install("own-losses", fusions=POINTS)

    def build(fusion="null_runs", hidden_sizes=(), num_classes=4, **params):
        fusions = {"f": {"plugin": fusion, **params}}
        more = {"hidden_sizes": list(hidden_sizes), "num_classes": num_classes}
        return build_model(["mfcc"], ENCODERS, "f", fusions, 1.0, **more)

    return build


@pytest.mark.slow
@pytest.mark.parametrize("fusion", [NullRuns, Small])
def test_they_pass_all_checks(fusion):
    assert {result.status for result in run_checks(fusion)} == {"passed"}


def test_the_example_counts_what_it_says():
    fusion = NullRuns({"a": FrameSpec(3, 2, "mean")}, 2, dropout=0.0)
    frames = torch.randn(1, 3, 2)
    p = fusion.frames["a"](frames)[0].softmax(dim=1)
    expected = [
        sum(
            math.prod(p[t, k] for t, k in enumerate(path))
            for path in itertools.product((0, label), repeat=3)
            if any(path)
        )
        for label in (1, 2)
    ]
    torch.testing.assert_close(fusion({"a": frames})[0].exp(), torch.stack(expected))


def test_scores_are_averaged_over_segments_and_only_normalized(built):
    model = built().eval()
    head = build_head(model, 4)
    assert isinstance(head, ScoreHead) and isinstance(build_head(built("small"), 4), EmotionHead)
    assert model.gives_scores and model.embedding_size == 4
    assert (
        count_parameters(model, head)["head"] == count_parameters(model, head)["hidden"] == (0, 0)
    )
    wavs, lens = torch.randn(2, 24000) / 10, torch.tensor([1.0, 0.5])
    segments, grid = split_into_segments(wavs, lens, 16000)
    frames = model.encode(segments)
    expected = over_segments(model.fusion(frames), grid.owners, 2).softmax(dim=1)
    torch.testing.assert_close(head(model(wavs, lens)).exp(), expected)


def test_the_model_is_rebuilt_with_its_number_of_classes(built):
    architecture = built(num_classes=3).architecture
    assert architecture["num_classes"] == 3
    assert "num_classes" not in architecture["fusions"]["f"]
    assert build_model(**architecture).embedding_size == 3
    assert built("small").architecture["num_classes"] is None


def test_its_page_shows_its_own_parameters_alone(built):
    page = plugin_page("fusion", "null_runs", {"dropout": 0.2})
    (parameters,) = (text for text in page.split("\n\n") if text.startswith("parameters"))
    assert [line.split()[0] for line in parameters.splitlines()] == ["parameters", "dropout"]
    assert "built with dropout=0.2 for the paper's modalities: 14,095 parameters" in page
    assert page.splitlines()[-1].split() == ["fused", "vector", "[4]"]


def test_what_does_not_fit_is_told(built):
    with pytest.raises(ValueError, match=r"hidden_sizes is \[8\], but the fusion gives class sco"):
        built(hidden_sizes=[8])
    with pytest.raises(ValueError, match="the fusion 'null_runs' gives class scores, but num_cl"):
        built(num_classes=None)
    with pytest.raises(ValueError, match="the model gives 3 class scores, but there are 4 labels"):
        build_head(built(num_classes=3), 4)
    tables = ENCODERS, "f", {"f": {"plugin": "null_runs", "num_classes": 4}}
    with pytest.raises(ValueError, match="'null_runs': num_classes is 4; the labels set it, so le"):
        validate_model_config(["mfcc"], *tables)


def test_a_loss_of_scores_replaces_the_cross_entropy_and_another_is_added(built):
    segments, labels = torch.randn(3, 16001) / 10, torch.tensor([0, 3, 3])
    scoring, other = built(dropout=0.0).eval(), built("small").eval()
    nothing, losses = scoring(segments, labels=labels)
    assert nothing is None
    torch.testing.assert_close(losses, -scoring(segments)[[0, 1, 2], labels])
    torch.testing.assert_close(mean_loss((None, losses), labels, None, 0.0), losses.mean())
    embeddings, losses = other(segments, labels=labels)
    torch.testing.assert_close(embeddings, other(segments))
    scores = build_head(other, 4)(embeddings)
    expected = nn.functional.cross_entropy(scores, labels, label_smoothing=0.1) + losses.mean()
    torch.testing.assert_close(mean_loss((scores, losses), labels, None, 0.1), expected)


def test_class_weights_are_those_of_the_cross_entropy():
    labels, scores = torch.tensor([0, 1, 1, 1]), torch.randn(4, 2).log_softmax(dim=1)
    weights = class_weights("balanced", labels, 2)
    losses = -scores[range(4), labels]
    expected = nn.functional.cross_entropy(scores, labels, weights)
    torch.testing.assert_close(mean_loss((None, losses), labels, weights, 0.0), expected)


def test_labels_are_smoothed_only_for_the_cross_entropy(built):
    check_label_smoothing(built("small"), 0.1)
    check_label_smoothing(built(), 0.0)
    with pytest.raises(ValueError, match=r"NullRuns has its own loss .*smoothing: 0"):
        check_label_smoothing(built(), 0.1)


def test_where_padding_is_masked_a_loss_must_know_it():
    class Unmasked(NullRuns):
        def loss(self, frames, labels):
            return super().loss(frames, labels)

    specs = {"a": FrameSpec(3, 2, "mean")}
    NullRuns(specs, 2).check_masks_padding()
    with pytest.raises(ValueError, match="mask padding: its loss must take masks; give mask_"):
        Unmasked(specs, 2).check_masks_padding()
