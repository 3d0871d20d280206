"""Read YAML, and values of the command line: text, or YAML where they begin like YAML."""

from __future__ import annotations

import json
import os
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from camser.config.command_line import SettingsError
from camser.config.overrides import check_tree_size, yaml_tag

# ruamel.yaml and HyperPyYAML raise these, besides their own errors, for unexpected input.
PARSER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
YAML_STARTS = ("{", "[", "!", "'", '"')
NOT_TEXT = ("int", "float", "bool", "null")  # YAML's types of plain scalars that are read as such
QUOTES = "put text that has ' #', ': ' or ',' in quotes: {a: 'run #2'}, !ref 'run #2/<seed>'"


def parse_value(text: str, where: str, typ: str = "rt") -> Any:
    """A value of the command line.

    It is text, letter for letter, unless it is a number, true, false or null, or begins like
    YAML: with one of ``{ [ ! ' "``.

    Arguments
    ---------
    text : str
        The value.
    where : str
        The option's name, for messages.
    typ : str
        The type of ruamel.yaml's loader: "rt", or "safe", which allows no tags.

    Raises
    ------
    SettingsError
        If it begins like YAML and is not valid YAML, or would be cut at a comment.

    Example
    -------
    >>> parse_value("run #2: a", "--variant"), parse_value("[a, 3]", "--folds", "safe")
    ('run #2: a', ['a', 3])
    """
    stripped = text.strip()
    if not stripped.startswith(YAML_STARTS):
        tag = str(YAML().resolver.resolve(ScalarNode, stripped, (True, False)))
        return load_yaml(text, where, typ) if tag.endswith(NOT_TEXT) else _expand_home(text)
    try:
        value = load_yaml(text, where, typ)
        rest = text[YAML().compose(text).end_mark.index :].strip()
    except SettingsError as error:
        raise SettingsError(f"{error}\n{QUOTES}") from error
    if rest:
        raise SettingsError(f"{where}: YAML takes {rest!r} for a comment; {QUOTES}")
    return value


def quote_text(text: str) -> str:
    """The value of the command line that ``parse_value`` reads as this text.

    Example
    -------
    >>> quote_text("run #2"), quote_text("10")
    ('run #2', '"10"')
    """
    try:
        is_text = parse_value(text, "") == text
    except SettingsError:
        is_text = False
    return text if is_text else json.dumps(text, ensure_ascii=False)


def load_yaml(text: str, where: str, typ: str = "rt") -> Any:
    """The content of a YAML; "~" at the beginning of a path becomes the home folder.

    Raises
    ------
    SettingsError
        If it is not valid YAML, or too large.
    """
    try:
        tree = YAML(typ=typ).load(text)
    except (YAMLError, *PARSER_ERRORS) as error:
        raise SettingsError(f"{where}: not valid YAML: {reason(error)}") from error
    check_tree_size(tree, where)
    return _expand_home(tree)


def reason(error: Exception) -> str:
    """The message of a parser's error, or its type."""
    return str(error) or type(error).__name__


def _expand_home(node: Any) -> Any:
    """A tree, changed in place, or a text: a path may begin with "~/", as in a shell."""
    if isinstance(node, str):
        return os.path.expanduser(node) if node.startswith("~") else node
    if isinstance(node, (dict, list)):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if (expanded := _expand_home(value)) is not value:
                node[key] = expanded
    elif yaml_tag(node) and isinstance(getattr(node, "value", None), str):
        node.value = _expand_home(node.value)
    return node
