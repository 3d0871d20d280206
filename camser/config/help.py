"""``--help`` of ``train.py`` and ``crossval.py``: the settings of a recipe, by section."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Collection
from itertools import takewhile
from pathlib import Path
from typing import Any

from speechbrain.utils.run_opts import RunOptions

from camser.config.reference import meanings, recipe_sections, run_options

SETTINGS = """\
--key=value overrides the YAML; a list is --key="[a, b]", a value in a table is
--key="{name: {parameter: value}}". The values shown are those of the paper's recipe,
camser:IEMOCAP/hparams/camser.yaml; all others include it, and say only what differs."""
VALUES = {"": "{…}", "!PLACEHOLDER": "…"}  # of a table, and of a key that must be given
WIDTH = 76  # columns
YAML_ONLY = {"data_parallel_count", "distributed_launch", "tqdm_barcolor"}


def train_parser() -> argparse.ArgumentParser:
    """The parser of ``train.py``, whose only option is ``--help``."""
    return argparse.ArgumentParser(
        usage="%(prog)s RECIPE.yaml [--include FILE …] [--key=value …] [run options]",
        description=(sys.modules["__main__"].__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_if_asked(
    parser: argparse.ArgumentParser, recipe_folder: str | Path, without: Collection[str] = ()
) -> None:
    """Print the help of a script, if its command line asks for it, and exit with status 0.

    Arguments
    ---------
    parser : ArgumentParser
        The script's own options; its help gets a group for each section of the recipe.
    recipe_folder : str or Path
        The folder of the script and its YAMLs.
    without : collection of str
        Settings that the script does not take.
    """
    if not {"-h", "--help"}.isdisjoint(sys.argv[1:]):
        _add_recipe(parser, Path(recipe_folder), without)
        parser.print_help()
        sys.exit()


def _add_recipe(
    parser: argparse.ArgumentParser, recipe_folder: Path, without: Collection[str]
) -> None:
    """Add the YAMLs, the settings and SpeechBrain's run options to a parser's help."""
    yamls = parser.add_argument_group("RECIPE.yaml")
    for path in sorted(recipe_folder.glob("hparams/*.yaml")):
        name = str(path.relative_to(recipe_folder))
        yamls.add_argument(name, help=_escaped(_first_sentence(path)))
    yamls.add_argument(
        "--include", metavar="FILE", nargs="+", help="YAMLs; each overrides those before it"
    )
    parser.add_argument_group("settings", SETTINGS)
    listed = {*without, *YAML_ONLY}
    said = meanings()
    for section in recipe_sections():
        group = parser.add_argument_group(section.title, _wrapped(section.intro) or None)
        for key, value, comment in section.settings:
            if key not in listed:
                _add(group, key, VALUES.get(value, value), comment or said.get(key, ""))
        listed |= {setting.key for setting in section.settings}
    options = parser.add_argument_group("run options, which are SpeechBrain's")
    defaults = RunOptions()
    for name, text in run_options().items():
        if name not in listed:
            is_flag = isinstance(getattr(defaults, name), bool)
            _add(options, name, None if is_flag else "…", text)


def _add(group: argparse._ArgumentGroup, key: str, value: str | None, text: str) -> None:
    shown: dict[str, Any] = {"action": "store_true"} if value is None else {"metavar": value}
    group.add_argument(f"--{key}", help=_escaped(text), **shown)


def _first_sentence(path: Path) -> str:
    """What the comment at the beginning of a YAML says first."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text("utf-8").splitlines())
    text = " ".join(filter(None, (line.strip("# ") for line in lines)))
    return re.split(r"(?<!et al)(?<!e\.g)\. ", text)[0].rstrip(".")


def _wrapped(text: str) -> str:
    paragraphs = text.split("\n\n")
    return _escaped("\n\n".join(textwrap.fill(part, WIDTH) for part in paragraphs))


def _escaped(text: str) -> str:
    """Without the "%" of argparse."""
    return text.replace("%", "%%")
