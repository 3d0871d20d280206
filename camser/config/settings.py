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
from typing import Any, NamedTuple

from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.run_opts import RunOptions

from camser.config.command_line import RUN_OPTIONS, SettingsError, split_arguments
from camser.config.overrides import (
    apply_overrides,
    check_references,
    check_tree_size,
    variant_overrides,
    yaml_tag,
)
from camser.config.schema import validate_values
from camser.registry import did_you_mean
from camser.runtime.safe_io import matches_type, read_text

# The keys that the code uses. A key that is neither here nor referred to is an error.
KEYS = frozenset(
    (
        "seed", "data_folder", "output_folder", "prepared_folder", "corpus", "variant",
        "labels", "merge_labels", "allow_missing", "protocol", "selection", "fold", "num_folds",
        "valid_fraction", "target_corpus", "segment_seconds", "modalities", "encoders", "fusion",
        "fusions", "embedding_model", "classifier", "batch_size", "eval_batch_size",
        "num_workers", "cache_features", "learning_rate", "learning_rates", "compiled",
        "deterministic", "opt_class", "epoch_counter", "checkpointer", "train_logger",
        "tensorboard", "save_embeddings", "num_attention_examples", "export_folder",
    )
)  # fmt: skip
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
        text = self.text
        for name, number in numbers.items():
            text = re.sub(rf"(?m)^{name}:.*$", f"{name}: {number}", text, count=1)
        return _plain_values(text)


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
            f"not understood: {unknown!r}; settings are --key=value, one YAML comes first, and "
            f"flags such as --debug take no value"
        )
    referred: set[str] = set()
    tree = _read(_find(Path(path), Path(recipe_folder)), referred)
    requested: dict = {}
    for key, value in overrides.items():
        requested[key] = _parse(f"value: {value}", f"--{key}")["value"]
    listed = tree.pop("variants", {})
    variants = requested.pop("variants", listed) or {}
    apply_overrides(tree, variant_overrides(variants, requested.get("variant")), KNOWN | referred)
    apply_overrides(tree, requested, KNOWN | referred)
    tree.update({k: run_opts[k] for k in RESULT_RUN_OPTIONS if k in run_opts.overridden_args})
    _check_keys(tree, referred)
    check_references(tree)
    text = _dump(tree)
    values = _plain_values(text)
    validate_values(values)
    return Settings(text, values, run_opts, list(variants))


@contextmanager
def explain_build_errors() -> Iterator[None]:
    """Report an argument that an object of the recipe does not take as a ``SettingsError``."""
    try:
        yield
    except ImportError as error:
        if not str(error).startswith("There is no such"):  # HyperPyYAML, of a name
            raise
        raise SettingsError(f"the recipe cannot be built: {error}") from error
    except TypeError as error:
        if "argument" not in str(error):
            raise  # an error in a plugin's own code
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
    referred |= set(re.findall(r"<(\w+)", text))
    tree = _parse(text, str(path))
    if "include" not in tree:
        return tree
    names = tree.pop("include")
    names = [names] if isinstance(names, str) else names
    if not matches_type(names, [str]):
        raise SettingsError(
            f"{path}: include is {names!r:.80}; it must be a file, or a list of files"
        )
    base: dict = {}
    for name in names:
        included = path.parent / name
        if not included.is_file():
            raise SettingsError(f"{path}: include: {included} does not exist")
        more = _read(included, referred, (*seen, path.resolve()))
        base = apply_overrides(base, more, KNOWN | referred) if base else more
    return apply_overrides(base, tree, KNOWN | referred)


def _parse(text: str, where: str) -> dict:
    try:
        tree = YAML().load(text)
    except (YAMLError, *PARSER_ERRORS) as error:
        raise SettingsError(f"{where}: not valid YAML: {_reason(error)}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{where}: must be a mapping of keys to values, not {tree!r:.80}")
    check_tree_size(tree, where)
    return tree


def _reason(error: Exception) -> str:
    return f"{error or type(error).__name__}"


def _check_keys(tree: Mapping, referred: set[str]) -> None:
    for key in tree:
        if not key.startswith("__") and key not in KEYS | RUN_OPTIONS | referred:
            raise SettingsError(
                f"nothing uses the setting {key!r}.{did_you_mean(key, KEYS | RUN_OPTIONS)}"
            )
    missing = sorted(KEYS - set(tree))
    if missing:
        raise SettingsError(f"the recipe lacks the settings: {', '.join(missing)}")


def _dump(tree: Mapping) -> str:
    stream = StringIO()
    YAML().dump(tree, stream)
    return stream.getvalue()


def _plain_values(text: str) -> dict[str, Any]:
    try:
        resolved = YAML().load(resolve_references(text).getvalue())
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
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float):
        if isinstance(node, kind):
            if not math.isfinite(node):
                raise SettingsError(f"a setting is {node}; numbers must be finite")
            return kind(node)
    return str(getattr(node, "value", node))
