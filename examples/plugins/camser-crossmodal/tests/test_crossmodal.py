"""The fusion passes camser's checks, and attends as the formula says."""

import pytest
import torch
from camser_crossmodal import CrossModal, positions

from camser.encoders import FrameSpec
from camser.testing import checks_of, parametrize_with_checks

SPECS = {
    "mfcc": FrameSpec(12, 5, "flatten"),
    "egemaps": FrameSpec(1, 9, "mean", standardize=True),
    "whisper": FrameSpec(7, 6, "mean"),
}


@parametrize_with_checks(CrossModal, {n: SPECS[n] for n in ("mfcc", "whisper")}, projection_size=8)
def test_two_that_query_each_other_conform(check):
    check()


@pytest.mark.parametrize("name", ["sizes", "finite", "batch", "gradients", "state", "export"])
def test_one_that_queries_two_others_conforms(name):
    queries = {"whisper": ["mfcc", "egemaps"]}
    checks = {c.name: c for c in checks_of(CrossModal, SPECS, projection_size=8, queries=queries)}
    checks[name]()


def build(**params):
    torch.manual_seed(0)
    return CrossModal(SPECS, projection_size=8, num_heads=2, **params).eval()


def random_frames():
    return {n: torch.randn(3, spec.num_frames, spec.channels) for n, spec in SPECS.items()}


def test_weights_are_the_mean_of_each_heads_softmax():
    fusion, frames = build(queries={"whisper": ["mfcc"]}), random_frames()
    attention = fusion.attend["whisper"].attentions["mfcc"]
    mine, others = (fusion.project[name](frames[name]) for name in ("whisper", "mfcc"))
    query, key, _ = attention.in_proj_weight.chunk(3)
    wanted = torch.zeros(3, 12)
    for segment in range(3):
        for head in (slice(0, 4), slice(4, 8)):
            scores = (mine[segment] @ query[head].T) @ (others[segment] @ key[head].T).T / 2
            wanted[segment] += scores.softmax(dim=1).mean(dim=0) / 2
    torch.testing.assert_close(fusion.attention_weights(frames)["mfcc"], wanted)


def test_a_segments_weights_sum_to_one_over_the_frames_of_who_is_queried():
    weights = build(queries={"whisper": ["mfcc"], "egemaps": ["mfcc"]}).attention_weights(
        random_frames()
    )
    assert list(weights) == ["mfcc"]
    torch.testing.assert_close(weights["mfcc"].sum(dim=1), torch.ones(3))


def test_a_part_depends_on_those_that_its_modality_queries_and_on_no_other():
    fusion, frames = build(queries={"whisper": ["mfcc"]}), random_frames()
    before = fusion.projections(frames)
    changed = {
        name: [
            n for n, part in fusion.projections(others).items() if not torch.equal(part, before[n])
        ]
        for name in SPECS
        for others in [{**frames, name: torch.randn_like(frames[name])}]
    }
    assert changed == {
        "mfcc": ["mfcc", "whisper"],
        "egemaps": ["egemaps"],
        "whisper": ["whisper"],
    }


def test_by_default_each_queries_all_others():
    everyone = {name: [other for other in SPECS if other != name] for name in SPECS}
    frames = random_frames()
    assert torch.equal(build()(frames), build(queries=everyone)(frames))


def test_frames_of_the_same_moment_have_the_same_position():
    torch.testing.assert_close(positions(3, 8)[1], positions(1, 8)[0])
    torch.testing.assert_close(positions(30, 8)[4], positions(10, 8)[1])
    assert len(positions(300, 8).unique(dim=0)) == 300


def test_large_features_are_standardised_by_what_training_has_seen():
    fusion, frames = build().train(), random_frames()
    for _ in range(50):
        fusion({**frames, "egemaps": 1000 + 50 * torch.randn(3, 1, 9)})
    projection = fusion.eval().project["egemaps"]
    standard = projection.standardize(1000 + 50 * torch.randn(500, 9))
    assert standard.mean().abs() < 0.2 and (standard.std() - 1).abs() < 0.2


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"queries": {"mfc": ["whisper"]}}, "queries: 'mfc' is not among the modalities"),
        ({"queries": {"mfcc": ["hubert"]}}, "of 'mfcc' 'hubert' is not among the modalities"),
        ({"queries": {"mfcc": ["mfcc"]}}, "'mfcc' queries itself"),
        ({"queries": {"mfcc": "whisper"}}, "'mfcc' queries 'whisper'; give a list"),
        ({"queries": {"mfcc": []}}, "give a list of other modalities"),
        ({"queries": {"mfcc": ["whisper", "whisper"]}}, "each once"),
        ({"queries": ["mfcc"]}, "give a table"),
        ({"num_heads": 3}, "projection_size is 8; it must be even and a multiple of num_heads"),
    ],
)
def test_what_does_not_fit_is_refused(params, told):
    with pytest.raises(ValueError, match=told):
        CrossModal(SPECS, **{"projection_size": 8, **params})


def test_a_modality_alone_has_none_to_query():
    with pytest.raises(ValueError, match=r"the only modality is mfcc.*take the fusion concat"):
        CrossModal({"mfcc": SPECS["mfcc"]})
