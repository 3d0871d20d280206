"""The page of settings, made from a recipe's comments, the schema and the plugins' docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from camser.config.recipes import RECIPES
from camser.config.reference import (
    RECIPE,
    Section,
    Setting,
    fields,
    meanings,
    recipe_sections,
    run_options,
)
from camser.registry import GROUPS, entry_points_of_kind
from hooks.markdown import sentence, table

INTRO = f"""\
# Settings

A recipe is a YAML. `--key=value` overrides any of its settings on the command line, and
`--include FILE …` adds more YAMLs. A key that nothing uses is an error. `null` means none.

The defaults are those of the paper's recipe,
[IEMOCAP/hparams/camser.yaml](../../../{RECIPE.relative_to(RECIPES.parent)}). All other recipes
include it, and say only what differs.

"""
OTHERS = {
    "include": "A YAML, or a list of them, that this one changes. "
    "`camser:IEMOCAP/hparams/camser.yaml` is a file of a recipe that ships.",
    "variants": "Overrides by name. `crossval.py` runs all of them, or those of `--variants`.",
    "emobox": "For the recipe EmoBox: its `data` folder of labels and folds.",
}
RUN = """\
## SpeechBrain's run options

They may stand on the command line or in the YAML, and are SpeechBrain's own; the texts are its.

"""


def pages() -> dict[str, str]:
    """The page by its path."""
    said = meanings()
    sections = [section(part, said) for part in recipe_sections()]
    keys = [Setting(key, "", "") for key in OTHERS]
    others = section(Section("Of other recipes", "", keys), OTHERS)
    options = table(["option", "meaning"], [[f"`{n}`", text] for n, text in run_options().items()])
    return {"settings.md": INTRO + "\n".join([*sections, others, plugins(), f"{RUN}{options}\n"])}


def section(part: Section, said: Mapping[str, str]) -> str:
    """One section as a table."""
    cells = [[f"`{s.key}`", default(s.value), said.get(s.key, s.comment)] for s in part.settings]
    intro = "\n\n".join(map(sentence, part.intro.split("\n\n")))
    head = f"## {part.title}\n\n" + (f"{intro}\n\n" if intro else "")
    return head + table(["setting", "default", "meaning"], cells) + "\n"


def default(value: str) -> str:
    """A cell for a value."""
    return f"`{value}`" if value and value != "!PLACEHOLDER" else "must be given" if value else ""


def plugins() -> str:
    """The parameters of camser's own plugins, which the tables of encoders and fusions hold."""
    parts = ["## Parameters of plugins\n"]
    for kind in GROUPS:
        for point in entry_points_of_kind(kind):
            if point.dist is not None and point.dist.name == "camser":
                parts.append(plugin(kind, point.name, point.load()))
    return "\n".join(parts)


def plugin(kind: str, name: str, cls: type) -> str:
    """The parameters of one plugin."""
    said = fields(cls.__doc__ or "", "Arguments")
    parameters = inspect.signature(cls).parameters.values()
    rows = [
        [
            f"`{p.name}`",
            "" if p.default is p.empty else f"`{yaml_value(p.default)}`",
            said.get(p.name, ""),
        ]
        for p in parameters
        if p.name != "specs"
    ]
    where = f"{{py:class}}`{cls.__module__}.{cls.__name__}`"
    return f"### {name} ({kind.replace('_', ' ')})\n\n{where}\n\n" + (
        table(["parameter", "default", "meaning"], rows) + "\n" if rows else ""
    )


def yaml_value(value: object) -> str:
    """A default as the YAML writes it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
