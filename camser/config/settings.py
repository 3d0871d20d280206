"""Read a recipe's YAML, merge its overrides, and check every key at every depth.

HyperPyYAML checks only the top level of overrides and ignores keys that nothing uses. Here a
misspelled key is an error that names the nearest valid one, in the file and on the command line.

A YAML may begin with ``include: other.yaml``, or with a list of files. It then overrides that
file, and each file of the list overrides those before it, like overrides of the command line.

A YAML may also hold ``variants``, overrides by name. ``--variant=NAME`` applies those of NAME.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from speechbrain.utils.run_opts import RunOptions

from camser.config.command_line import RUN_OPTIONS, SettingsError, split_arguments
from camser.config.overrides import (
    apply_overrides,
    check_references,
    check_tree_size,
    references,
    variant_overrides,
    yaml_tag,
)
from camser.config.schema import KEYS, Recipe
from camser.registry import did_you_mean
from camser.runtime.safe_io import mismatch, read_text

COMMENT = re.compile(r"(^|\s)#")
MAX_YAML = 2**20  # largest size of a YAML, in bytes
# ruamel.yaml and HyperPyYAML raise these, besides their own errors, for unexpected input.
PARSER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
KNOWN = KEYS | RUN_OPTIONS | {"variants"}
# Run options that affect a result: they are added to the recipe that a run stores.
RESULT_RUN_OPTIONS = (
    "precision", "eval_precision", "grad_accumulation_factor", "max_grad_norm",
    "optimizer_step_limit", "remove_vector_weight_decay",
)  # fmt: skip


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
    variants : list of str
        The names of the YAML's variants.
    """

    text: str
    values: dict[str, Any]
    run_opts: RunOptions
    variants: list[str]

    def with_values(self, **numbers: int) -> dict[str, Any]:
        """The values with other numbers for some keys, e.g. for the runs of a sweep."""
        return _plain_values(self.text, numbers)


def read_arguments(argv: Sequence[str], recipe_folder: str | Path = ".") -> Settings:
    """Read a command line: a YAML, SpeechBrain's run options, and overrides ``--key=value``.

    Arguments
    ---------
    argv : sequence of str
        Without the program's name.
    recipe_folder : str or Path
        Second folder to search for the YAML, after the current one.

    Raises
    ------
    SettingsError
        If the YAML is missing or unreadable, a key is unknown, or a value is not allowed.
    """
    rest, overrides = split_arguments(argv)
    path, run_opts, unknown = RunOptions.from_command_line_args(rest)
    if unknown:
        raise SettingsError(
            f'not understood: {unknown!r}; settings are --key=value, lists --key="[a, b]"; one '
            f"YAML comes first, and flags such as --debug take no value"
        )
    referred: set[str] = set()
    tree = _read(_find(Path(path), Path(recipe_folder)), referred)
    requested = {key: _parse_value(value, f"--{key}") for key, value in overrides.items()}
    variants = requested.pop("variants", tree.pop("variants", None)) or {}
    apply_overrides(tree, variant_overrides(variants, requested.get("variant")), KNOWN | referred)
    apply_overrides(tree, requested, KNOWN | referred)
    tree.update({k: run_opts[k] for k in RESULT_RUN_OPTIONS if k in run_opts.overridden_args})
    for key in tree:
        if not key.startswith("__") and key not in KEYS | RUN_OPTIONS | referred:
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
    return Settings(text, values, run_opts, list(variants))


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


def _find(path: Path, recipe_folder: Path) -> Path:
    for candidate in (path, recipe_folder / path):
        if candidate.is_file():
            return candidate
    yamls = sorted(str(p.relative_to(recipe_folder)) for p in recipe_folder.glob("hparams/*.yaml"))
    raise SettingsError(
        f"{path}: no such file, from the current folder or {recipe_folder}; the recipe has: "
        f"{', '.join(yamls)}"
    )


def _read(path: Path, referred: set[str], seen: tuple[Path, ...] = ()) -> dict:
    """The file merged into the files it includes; ``referred`` collects the keys they refer to."""
    if path.resolve() in seen:
        raise SettingsError(f"{path} includes itself")
    try:
        text = read_text(path, MAX_YAML)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    tree = _parse(text, str(path))
    referred |= {setting[0] for _, setting in references(tree)}
    if "include" not in tree:
        return tree
    names = tree.pop("include")
    names = [names] if isinstance(names, str) else names
    if problem := mismatch(names, list[str], "include"):
        raise SettingsError(f"{path}: {problem}, of files")
    base: dict = {}
    for name in names:
        more = _read(path.parent / name, referred, (*seen, path.resolve()))
        base = apply_overrides(base, more, KNOWN | referred) if base else more
    return apply_overrides(base, tree, KNOWN | referred)


def _parse(text: str, where: str) -> dict:
    tree = _load(text, where)
    if tree is not None and not isinstance(tree, dict):
        raise SettingsError(f"{where}: must be a mapping of keys to values, not {tree!r:.80}")
    return tree or {}


def _parse_value(text: str, where: str) -> Any:
    """A value of the command line. Text is not cut where YAML would see a comment."""
    value = _load(text, where)
    is_text = isinstance(value, (str, int, float, NoneType)) and text.lstrip()[:1] not in "'\""
    return text if is_text and COMMENT.search(text) else value


def _load(text: str, where: str) -> Any:
    try:
        tree = YAML().load(text)
    except (YAMLError, *PARSER_ERRORS) as error:
        raise SettingsError(f"{where}: not valid YAML: {_reason(error)}") from error
    check_tree_size(tree, where)
    return tree


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _plain_values(text: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        resolved = YAML().load(resolve_references(text, overrides).getvalue())
    except (YAMLError, *PARSER_ERRORS) as error:
        placeholder = re.match(r"'(\w+)' is a !PLACEHOLDER", str(error))
        if placeholder:
            raise SettingsError(f"{placeholder[1]} is not set; give --{placeholder[1]}=…") from None
        raise SettingsError(f"the recipe cannot be resolved: {_reason(error)}") from error
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
