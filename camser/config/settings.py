"""Read a recipe's YAML, merge its overrides, and check every key at every depth.

HyperPyYAML checks only the top level of overrides and ignores keys that nothing uses. Here a
misspelled key is an error that names the nearest valid one, in the file and on the command line.

A YAML may also hold ``variants``, overrides by name. ``--variant=NAME`` applies those of NAME.

If ``back_end`` is set, the model is the one that it is fitted on, see ``BACK_END_MODEL``, unless
that is trained before.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from speechbrain.utils.run_opts import RunOptions

from camser.config.command_line import RUN_OPTIONS, SettingsError, split_arguments
from camser.config.includes import merge_files, read_files, yaml_path
from camser.config.overrides import (
    Place,
    apply_overrides,
    check_references,
    check_tree_size,
    leaves,
    references,
    variant_overrides,
    yaml_tag,
)
from camser.config.schema import KEYS, Recipe
from camser.config.values import PARSER_ERRORS, load_yaml, parse_value, reason
from camser.registry import did_you_mean
from camser.runtime.safe_io import mismatch

KNOWN = KEYS | RUN_OPTIONS | {"variants"}
# Run options that affect a result: they are added to the recipe that a run stores.
RESULT_RUN_OPTIONS = (
    "precision", "eval_precision", "grad_accumulation_factor", "max_grad_norm",
    "optimizer_step_limit", "remove_vector_weight_decay",
)  # fmt: skip

# What a recipe with a back end builds in place of its fusion and hidden layers.
BACK_END_MODEL = """
fusion: pooled
fusions: {pooled: {plugin: "camser:concat", projection_size: null}}
embedding_model: {hidden_sizes: []}
"""


class Settings(NamedTuple):
    """The checked settings of a command line.

    Arguments
    ---------
    text : str
        The merged YAML, references unresolved. Running it again repeats the same run.
    values : dict
        Its plain values, references resolved; an object to build is {tag: arguments}.
    run_opts : RunOptions
        SpeechBrain's run options.
    variants : dict of str to str
        The YAML's variants by name, and the file that each is from.
    overridden : list of str
        Where several files are combined, lines that say which overrides what of which.
    """

    text: str
    values: dict[str, Any]
    run_opts: RunOptions
    variants: dict[str, str]
    overridden: list[str]

    def with_values(self, **numbers: int) -> dict[str, Any]:
        """The values with other numbers for some keys, e.g. for the runs of a sweep."""
        return _plain_values(self.text, numbers)


def read_arguments(argv: Sequence[str], recipe_folder: str | Path = ".") -> Settings:
    """Read a command line: a YAML, SpeechBrain's run options, and overrides ``--key=value``.

    ``--include FILE …`` adds YAMLs, each of which overrides those before it.

    Arguments
    ---------
    argv : sequence of str
        Without the program's name.
    recipe_folder : str or Path
        Second folder to search for the YAMLs, after the current one. ``camser:…`` is a file of the
        recipes that ship.

    Raises
    ------
    SettingsError
        If the YAML is missing or unreadable, a key is unknown, or a value is not allowed.
    """
    rest, overrides, included = split_arguments(argv)
    path, run_opts, unknown = RunOptions.from_command_line_args(rest)
    if unknown:
        raise SettingsError(
            f'not understood: {unknown!r}; settings are --key=value, lists --key="[a, b]"; one '
            f"YAML comes first, and flags such as --debug take no value"
        )
    paths = [_find(name, Path(recipe_folder)) for name in (path, *included)]
    files = read_files(paths)
    referred = set().union(*(_referred(file.tree) for file in files))
    tree, sources, overridden = merge_files(files, KNOWN | referred)
    is_chain = len(paths) == 1 and all(file.num_included < 2 for file in files)
    requested = {key: parse_value(value, f"--{key}") for key, value in overrides.items()}
    variants = requested.pop("variants", tree.pop("variants", None)) or {}
    apply_overrides(tree, variant_overrides(variants, requested.get("variant")), KNOWN | referred)
    apply_overrides(tree, requested, KNOWN | referred)
    if tree.get("back_end") and not tree.get("back_end_after_training"):
        apply_overrides(tree, load_yaml(BACK_END_MODEL, "back_end"), KNOWN | referred)
    _drop_unused(tree, referred - KNOWN)
    tree.update({k: run_opts[k] for k in RESULT_RUN_OPTIONS if k in run_opts.overridden_args})
    for key in tree:
        if not key.startswith("__") and key not in KEYS | RUN_OPTIONS | _referred(tree):
            raise SettingsError(
                f"nothing uses the setting {key!r}.{did_you_mean(key, KEYS | RUN_OPTIONS)}"
            )
    check_references(tree)
    stream = StringIO()
    YAML().dump(tree, stream)
    text = stream.getvalue()
    values = _plain_values(text)
    if problem := mismatch(values, Recipe, "the recipe"):
        raise SettingsError(problem)
    return Settings(
        text, values, run_opts, _variant_sources(variants, sources), [] if is_chain else overridden
    )


def _variant_sources(variants: Mapping, sources: Mapping[Place, str]) -> dict[str, str]:
    """The file that each variant is from; of more than one, the file of its first value."""
    firsts = {name: next(leaves(table, ("variants", name))) for name, table in variants.items()}
    return {name: sources.get(first, "the command line") for name, first in firsts.items()}


def _drop_unused(tree: dict, settings: Collection[str]) -> None:
    """Remove those of some settings to which nothing refers any more."""
    while unused := {*settings} & tree.keys() - _referred(tree):
        for key in unused:
            del tree[key]


def _referred(tree: Any) -> set[str]:
    """The settings to which something refers."""
    return {place[0] for _, place in references(tree)}


@contextmanager
def explain_build_errors() -> Iterator[None]:
    """Report an argument that an object of the recipe does not take as a ``SettingsError``."""
    try:
        yield
    except (ImportError, TypeError) as error:
        # What HyperPyYAML says of a name, and Python of an argument; others are of a plugin's code.
        expected = "There is no such" if isinstance(error, ImportError) else "argument"
        if expected not in str(error):
            raise
        raise SettingsError(f"the recipe cannot be built: {error}") from error


def _find(name: str, recipe_folder: Path) -> Path:
    for folder in (Path(), recipe_folder):
        candidate = yaml_path(name, folder)
        if os.path.isfile(candidate):  # false for a name that no file can have
            return candidate
    yamls = sorted(str(p.relative_to(recipe_folder)) for p in recipe_folder.glob("hparams/*.yaml"))
    raise SettingsError(
        f"{name:.200}: no such file, from the current folder or {recipe_folder}; the recipe "
        f"has: {', '.join(yamls)}"
    )


def _plain_values(text: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        resolved = YAML().load(resolve_references(text, overrides).getvalue())
    except (YAMLError, *PARSER_ERRORS) as error:
        placeholder = re.match(r"'(\w+)' is a !PLACEHOLDER", str(error))
        if placeholder:
            raise SettingsError(f"{placeholder[1]} is not set; give --{placeholder[1]}=…") from None
        raise SettingsError(f"the recipe cannot be resolved: {reason(error)}") from error
    check_tree_size(resolved, "the recipe")
    return {key: _plain(value) for key, value in resolved.items() if not key.startswith("__")}


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        values = {str(key): _plain(value) for key, value in node.items()}
        return {yaml_tag(node): values} if yaml_tag(node).startswith("!") else values
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    if isinstance(node, (bool, ScalarBoolean)):
        return bool(node)
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        if not math.isfinite(node):
            raise SettingsError(f"a setting is {node}; numbers must be finite")
        return float(node)
    return None if node is None else str(getattr(node, "value", node))
