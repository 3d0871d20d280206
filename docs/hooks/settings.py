"""The page of settings, made from a recipe's comments, the schema and the plugins' docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from speechbrain.utils.run_opts import RunOptions

from camser.config.command_line import RUN_OPTIONS
from camser.config.recipes import RECIPES
from camser.config.schema import Required
from camser.registry import GROUPS, entry_points_of_kind
from hooks.markdown import sentence, table

RECIPE = RECIPES / "IEMOCAP/hparams/camser.yaml"
SECTION = re.compile(r"# (\w[^-:]*)(?:: (.*?))? -{3,}$")
ENTRY = re.compile(r"(?P<key>\w+):(?: +(?P<value>.*?))?(?: +# (?P<comment>.*))?$")
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


class Setting(NamedTuple):
    """A key of the recipe, its value there, and the comment on it."""

    key: str
    value: str
    comment: str


def pages() -> dict[str, str]:
    """The page by its path."""
    meanings = fields(Required.__doc__ or "", "Attributes")
    sections = [section(title, text, rows, meanings) for title, text, rows in recipe_sections()]
    others = section("Of other recipes", "", [Setting(key, "", "") for key in OTHERS], OTHERS)
    return {"settings.md": INTRO + "\n".join([*sections, others, plugins(), run_options()])}


def recipe_sections() -> Iterator[tuple[str, str, list[Setting]]]:
    """The sections of the recipe: title, what stands first in it, and its keys on top."""
    title, intro, rows, waiting = "Seed", "", [], []
    for line in RECIPE.read_text(encoding="utf-8").splitlines()[10:]:
        if found := SECTION.match(line):
            yield title, intro, rows
            title, intro, rows, waiting = found[1].strip(), sentence(found[2] or ""), [], []
        elif line.startswith("# "):
            waiting.append(line[2:])
        elif (found := ENTRY.match(line)) and not line.startswith("__"):
            if waiting and not rows and len(waiting) > 3:
                intro, waiting = f"{intro}\n\n{' '.join(waiting)}".strip(), []
            comment = " ".join([*waiting, found["comment"] or ""]).strip()
            rows.append(Setting(found["key"], found["value"] or "", comment))
            waiting = []
    yield title, intro, rows


def section(title: str, intro: str, rows: list[Setting], meanings: dict[str, str]) -> str:
    """One section as a table."""
    cells = [[f"`{r.key}`", default(r.value), meanings.get(r.key, r.comment)] for r in rows]
    head = f"## {title}\n\n" + (f"{intro}\n\n" if intro else "")
    return head + table(["setting", "default", "meaning"], cells) + "\n"


def default(value: str) -> str:
    """How a value is shown: of an object, its class."""
    value = value.removeprefix("!new:").removeprefix("!name:").removeprefix("!apply:")
    value = re.sub(r"^!ref (.*)$", r"\1", value)
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


def run_options() -> str:
    """SpeechBrain's own options."""
    said = fields(RunOptions.__doc__ or "", "Attributes")
    rows = [[f"`{name}`", said.get(name, "")] for name in said if name in RUN_OPTIONS]
    return RUN + table(["option", "meaning"], rows) + "\n"


def fields(docstring: str, heading: str) -> dict[str, str]:
    """The meanings of the names that a docstring lists below a heading."""
    text = inspect.cleandoc(docstring)
    found = re.search(rf"^{heading}\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", text, re.S | re.M)
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in (found[1] if found else "").splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        for name in names if line.startswith(" ") else ():
            meanings[name] = f"{meanings.get(name, '')} {line.strip()}".strip()
    return {name: text.replace("``", "`") for name, text in meanings.items()}
