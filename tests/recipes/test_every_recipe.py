"""Every recipe that ships builds a model, which runs forward; every fusion learns."""

import json
import re

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from camser.build import build_model
from camser.config.settings import read_arguments
from tests.helpers.recipe_runs import ROOT, TINY_WAV2VEC2, TINY_WHISPER

IEMOCAP = ROOT / "recipes/IEMOCAP"
FUSIONS = str(IEMOCAP / "hparams/fusions.yaml")


def read(*arguments, recipe):
    return read_arguments([recipe, "--data_folder=/data", *arguments], IEMOCAP)


def recipes():
    """All that ship; of the corpora by name one is enough, since only their labels differ.

    A YAML that neither includes another nor sets a seed is no recipe, but is to be included.
    """
    yamls = sorted(ROOT.glob("recipes/*/hparams/*.yaml"))
    complete = [p for p in yamls if re.search("^(include|seed):", p.read_text(), re.M)]
    paths = [str(p.relative_to(ROOT)) for p in complete]
    return [p for p in paths if "/Corpora/" not in p or p.endswith("/cremad.yaml")]


OFFLINE = {  # what takes a checkpoint's place where there is no network
    "spectrogram": {"weights": None},
    "wav2vec2": {"source": None, "config": TINY_WAV2VEC2},
    "whisper": {"source": None, "config": TINY_WHISPER},
}


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_that_ships_builds_and_runs_forward(recipe, tmp_path):
    output, path = f"--output_folder={tmp_path}", str(ROOT / recipe)
    given = [output, "--corpus=emodb", "--emobox=clone"]
    speech = read(*given, recipe=path).values["encoders"].get("speech")
    named = {"speech": {**OFFLINE[speech["plugin"]], "layer": None}} if speech else {}
    settings = read(f"--encoders={json.dumps(OFFLINE | named)}", *given, recipe=path)
    hparams = load_hyperpyyaml(settings.text)
    model, head = hparams["embedding_model"].eval(), hparams["classifier"]
    assert list(model.encoders) == settings.values["modalities"]
    output = head(model(torch.randn(1, 60000) / 10, torch.ones(1)))
    assert output.shape == (1, len(settings.values["labels"]))
    trained = [p for p in model.parameters() if p.requires_grad]
    assert isinstance(hparams["opt_class"](trained, lr=0.1), torch.optim.Optimizer)


SMALL = {**OFFLINE, "mfcc": {"hidden_size": 4}, "spectrogram": {"weights": None, "freeze": True}}


@pytest.mark.parametrize("variant", read(recipe=FUSIONS).variants)
def test_every_fusion_of_the_list_that_ships_builds_and_learns(variant):
    small = [f"--encoders={json.dumps(SMALL)}", "--projection_size=4"]
    values = read(f"--variant={variant}", *small, recipe=FUSIONS).values
    ((_, arguments),) = values["embedding_model"].items()
    model = build_model(**arguments)
    model(torch.randn(1, 48000) / 10, torch.ones(1)).sum().backward()
    assert [n for n, p in model.fusion.named_parameters() if p.grad is None] == []
    assert variant.startswith(values["fusion"])
