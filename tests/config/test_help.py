"""``--help`` of the recipes' scripts: every key of the recipe, by section, then SpeechBrain's."""

import re
import sys

import pytest
from speechbrain.utils.run_opts import RunOptions

from camser.config.help import YAML_ONLY
from camser.config.reference import RECIPE, recipe_sections, run_options
from camser.experiment import run
from camser.experiment.crossval import main as crossval
from camser.experiment.crossval.options import CHOSEN

SCRIPTS = {"train.py": run.main, "crossval.py": crossval.main}


def help_of(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "hparams/camser.yaml", "--help"])
    with pytest.raises(SystemExit) as end:
        SCRIPTS[script](None, RECIPE.parents[1])
    assert end.value.code is None
    return capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_keys_of_the_recipe_in_its_order_and_with_its_comments(script, monkeypatch, capsys):
    text = help_of(script, monkeypatch, capsys)
    settings, options = text.split("say only what differs.\n")[1].split("\nrun options")
    keys = re.findall(r"^([a-z]\w*):", RECIPE.read_text(encoding="utf-8"), re.M)
    omitted = CHOSEN if script == "crossval.py" else ()
    assert re.findall(r"^  --(\w+)", settings, re.M) == [key for key in keys if key not in omitted]
    words = " ".join(settings.split())
    for title, _, parts in recipe_sections():
        assert title == "Seed" or f"{title}: " in words
        assert all(" ".join(p.comment.split()) in words for p in parts if p.key not in omitted)
    assert "--batch_size 64 segments --eval_batch_size 64" in words
    assert "--debug " in options and "--precision" not in options  # which is a key of the recipe
    assert f"usage: {script} RECIPE.yaml" in text and "hparams/ablation.yaml" in text


def test_the_run_options_are_those_that_speechbrain_takes():
    taken = {action.dest for action in RunOptions._create_parser()._actions}
    assert run_options().keys() - taken == YAML_ONLY
