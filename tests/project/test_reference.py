"""The reference on the site: every setting, parameter and command has a meaning."""

import re

import pytest
import yaml

from camser.config.recipes import RECIPES
from tests.helpers.recipe_runs import ROOT


@pytest.fixture(scope="module")
def hooks():
    """The modules that write the pages; they need no Sphinx."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        from hooks import api, commands, settings

        yield {"api": api, "commands": commands, "settings": settings}


def rows(text):
    """The cells of each row of each table of a page."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines]


def test_every_setting_of_every_recipe_has_a_row_and_a_meaning(hooks):
    (page,) = hooks["settings"].pages().values()
    said = {row[0].strip("`"): row[2] for row in rows(page) if len(row) == 3}
    paper = (RECIPES / "IEMOCAP/hparams/camser.yaml").read_text(encoding="utf-8")
    keys = re.findall(r"^([a-z]\w*):", paper, re.M)
    assert len(keys) > 50 and not [key for key in keys if not said.get(key)]
    for path in RECIPES.glob("*/hparams/*.yaml"):
        text = re.sub(r"!\w+(:[\w.]+)?", "", path.read_text(encoding="utf-8"))
        unknown = {key for key in yaml.safe_load(text) if not key.startswith("__")} - set(said)
        assert not unknown, f"{path.parent.parent.name}/{path.name}: {unknown} has no meaning"


def test_every_parameter_of_our_plugins_has_a_meaning(hooks):
    (page,) = hooks["settings"].pages().values()
    _, parameters = page.split("## Parameters of plugins")
    assert not [row for row in rows(parameters) if len(row) < 2 or not row[-1]]


def test_every_command_has_a_section_and_every_argument_a_meaning(hooks):
    (page,) = hooks["commands"].pages().values()
    names = set(re.findall(r"^## camser (.+)$", page, re.M))
    assert {"train", "classify", "data", "plugins new", "recipes copy", "probe", "push"} <= names
    assert not [row for row in rows(page) if len(row) < 2 or not row[1]]


def test_every_module_with_public_names_has_a_place(hooks):
    pages = hooks["api"].pages()
    listed = set(re.findall(r"^\.\. automodule:: (\S+)$", "".join(pages.values()), re.M))
    assert {"camser.inference", "camser.encoders", "camser.fusion.co_attention"} <= listed
    exported = re.search(
        r"automodule:: camser.inference\n   :members: (.*)", pages["api/inference.md"]
    )
    assert "EmotionClassifier" in exported[1]
