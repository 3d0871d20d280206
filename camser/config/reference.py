"""What each setting means: the comments of the paper's recipe, and the docstrings of the schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from speechbrain.utils.run_opts import RunOptions

from camser.config.command_line import RUN_OPTIONS
from camser.config.recipes import RECIPES
from camser.config.schema import Required

RECIPE = RECIPES / "IEMOCAP/hparams/camser.yaml"  # all others include it
SECTION = re.compile(r"# (\w[^-:]*)(?:: (.*?))? -{3,}$")
ENTRY = re.compile(r"(?P<key>\w+):(?: +(?P<value>.*?))?(?: +# (?P<comment>.*))?$")


class Setting(NamedTuple):
    """A key of the recipe, its value there, and the comment on it."""

    key: str
    value: str
    comment: str


class Section(NamedTuple):
    """A part of the recipe: its title, what stands first in it, and its keys on top."""

    title: str
    intro: str
    settings: list[Setting]


def recipe_sections() -> Iterator[Section]:
    """The sections of the paper's recipe, in its order."""
    title, intro = "Seed", ""
    settings: list[Setting] = []
    waiting: list[str] = []
    for line in RECIPE.read_text(encoding="utf-8").splitlines():
        if not line:
            waiting = []
        elif found := SECTION.match(line):
            yield Section(title, intro, settings)
            title, intro, settings, waiting = found[1].strip(), found[2] or "", [], []
        elif line.startswith("# "):
            waiting.append(line[2:])
        elif (found := ENTRY.match(line)) and not line.startswith("__"):
            if waiting and not settings and len(waiting) > 3:
                intro, waiting = f"{intro}\n\n{' '.join(waiting)}".strip(), []
            comment = " ".join([*waiting, found["comment"] or ""]).strip()
            settings.append(Setting(found["key"], shown(found["value"] or ""), comment))
            waiting = []
    yield Section(title, intro, settings)


def shown(value: str) -> str:
    """How a value of the YAML is shown: of an object, its class."""
    value = value.removeprefix("!new:").removeprefix("!name:").removeprefix("!apply:")
    return re.sub(r"^!ref (.*)$", r"\1", value)


def meanings() -> dict[str, str]:
    """The meaning of each setting that every recipe has, by its key."""
    return fields(Required.__doc__ or "", "Attributes")


def run_options() -> dict[str, str]:
    """The meaning of each of SpeechBrain's run options, by its name, in SpeechBrain's words."""
    said = fields(RunOptions.__doc__ or "", "Attributes")
    return {name: text for name, text in said.items() if name in RUN_OPTIONS}


def fields(docstring: str, heading: str) -> dict[str, str]:
    """The meanings of the names that a docstring lists below a heading.

    Example
    -------
    >>> fields("A box.\\n\\nAttributes\\n----------\\nsize : int\\n    In mm.", "Attributes")
    {'size': 'In mm.'}
    """
    text = inspect.cleandoc(docstring)
    found = re.search(rf"^{heading}\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", text, re.S | re.M)
    said: dict[str, str] = {}
    names: list[str] = []
    for line in (found[1] if found else "").splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        for name in names if line.startswith(" ") else ():
            said[name] = f"{said.get(name, '')} {line.strip()}".strip()
    return {name: text.replace("``", "`") for name, text in said.items()}
