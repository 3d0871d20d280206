"""``camser recipes``: recipes and corpora that ship, and a copy of one to run and to change."""

from __future__ import annotations

import argparse
import ast
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from camser.cli.plugins.text_table import format_columns
from camser.config.recipes import RECIPES
from camser.registry import did_you_mean
from camser.runtime.files import atomic_folder

if TYPE_CHECKING:
    from camser.data.named_corpus import NamedCorpus

CORPORA = RECIPES / "Corpora"
CORPUS_HEADER = (
    "corpus", "title", "language", "license", "utterances", "speakers", "protocol", "from",
    "data_folder holds",
)  # fmt: skip
COPIED = ("*.py", "*.yaml", "hparams/*.yaml", "corpora/*.yaml")


def recipe_names() -> list[str]:
    """The recipes that ship, by the names of their folders."""
    return sorted(path.parent.name for path in RECIPES.glob("*/train.py"))


def title(name: str) -> str:
    """The first sentence of what a recipe says of itself."""
    module = ast.parse((RECIPES / name / "train.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(module) or "").partition("\n")[0]


def corpus_table() -> list[list[str]]:
    """What is declared of each corpus by name: a header, and a row for each."""
    from camser.data.named_corpus import read_corpus

    declared = [read_corpus(path) for path in sorted(CORPORA.glob("corpora/*.yaml"))]
    return [[*CORPUS_HEADER], *map(_corpus_row, declared)]


def _corpus_row(corpus: NamedCorpus) -> list[str]:
    import yaml

    path = CORPORA / f"hparams/{corpus.corpus}.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    folds = f", {recipe['num_folds']} groups" if "num_folds" in recipe else ""
    classes = f"{len(recipe['labels'])} classes"
    return [
        corpus.corpus,
        corpus.title,
        ", ".join(corpus.languages),
        corpus.license,
        f"{corpus.utterances}, {classes}",
        str(corpus.speakers),
        recipe["protocol"].replace("_", " ") + folds,
        corpus.url,
        corpus.unpack,
    ]


def copy_recipe(name: str, folder: str | Path | None = None) -> list[Path]:
    """Copy a recipe's scripts and YAMLs; the copy needs camser alone.

    Arguments
    ---------
    name : str
        One of ``recipe_names``.
    folder : str or Path, optional
        The folder to make; by default of the recipe's name, in the current one.

    Returns
    -------
    list of Path
        The written files.

    Raises
    ------
    ValueError
        If there is no such recipe.
    FileExistsError
        If the folder exists.
    """
    names = recipe_names()
    if name not in names:
        raise ValueError(
            f"no recipe {name!r}; camser has: {', '.join(names)}.{did_you_mean(name, names)}"
        )
    source, folder = RECIPES / name, Path(folder or name)
    files = sorted(path.relative_to(source) for glob in COPIED for path in source.glob(glob))
    with atomic_folder(folder) as new:
        for file in files:
            (new / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / file, new / file)
    return [folder / file for file in files]


def _list(arguments: argparse.Namespace) -> None:
    if arguments.markdown:
        header, *rows = corpus_table()
        lines = [header, ["---"] * len(header), *rows]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))
        return
    print("\n".join(format_columns([[name, title(name)] for name in recipe_names()])))
    print("\nCorpora by name, of the recipe Corpora:\n")
    print("\n".join(format_columns(corpus_table())))


def _copy(arguments: argparse.Namespace) -> None:
    written = copy_recipe(arguments.name, arguments.folder)
    train = Path(arguments.folder or arguments.name) / "train.py"
    print(*written, f"\npython {train} hparams/camser.yaml --data_folder=…", sep="\n")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser recipes`` to the command's parser."""
    recipes = commands.add_parser("recipes", help="list the recipes for corpora, or copy one")
    actions = recipes.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the recipes that ship, and the corpora")
    listing.add_argument(
        "--markdown", action="store_true", help="the corpora, as recipes/README.md"
    )
    listing.set_defaults(run=_list)
    copy = actions.add_parser(
        "copy", help="copy train.py, crossval.py, YAMLs and the corpus reader"
    )
    copy.add_argument("name", metavar="NAME", help="as `camser recipes list` prints it")
    copy.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="a folder that does not exist yet; ./NAME"
    )
    copy.set_defaults(run=_copy)
