"""The page of commands, made from their parsers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from camser.cli import _parser
from camser.experiment.crossval.options import option_parser
from hooks.markdown import sentence, table

INTRO = """\
# Commands

`camser COMMAND --help` prints the same. A path may begin with `~/`.

Results are on standard output, messages on standard error. Every command takes `--quiet` (errors
alone: no warnings, no progress) and `--verbose` (also what is done).

| exit status | meaning |
|---|---|
| 0 | all was done |
| 1 | a mistake, which is one line on standard error; or a file failed |
| 2 | wrong arguments |
| 130, 143 | Ctrl-C, SIGTERM |
| 141 | the reader of the output has ended |

Completion by the Tab key in bash: `pip install "camser[completion]"`, and once for each shell
`eval "$(register-python-argcomplete camser)"`, for example in `~/.bashrc`.

"""
CROSSVAL = """\
`crossval.py` lies in each folder of recipes. Settings of the recipe are overridden by
`--key=value`, as for `train.py` ([settings](settings.md)).
"""


def pages() -> dict[str, str]:
    """The page by its path."""
    sections = [section(parser, text) for parser, text in leaves(_parser(), "")]
    crossval = section(option_parser("crossval.py"), CROSSVAL)
    return {"commands.md": INTRO + "\n".join([*sections, crossval])}


def leaves(
    parser: argparse.ArgumentParser, text: str
) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """The parsers without subcommands, each with its line in the list of its parent."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not nested:
        yield parser, text
    for action in nested:
        texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, child in action.choices.items():
            yield from leaves(child, texts.get(name, ""))


def section(parser: argparse.ArgumentParser, text: str) -> str:
    """One command: what it does, its usage, its arguments and what stands below them."""
    usage = re.sub(r"\s+", " ", parser.format_usage().removeprefix("usage: ")).strip()
    rows = [row for action in parser._actions if (row := argument(action))]
    parts = [f"## {parser.prog}", sentence(parser.description or text), f"```text\n{usage}\n```"]
    parts += [table(["argument", "meaning"], rows)] if rows else []
    parts += [f"```text\n{parser.epilog.strip()}\n```"] if parser.epilog else []
    return "\n\n".join(parts) + "\n"


def argument(action: argparse.Action) -> list[str] | None:
    """The row of an argument."""
    is_common = isinstance(action, argparse._HelpAction) or action.dest == "level"
    if action.help == argparse.SUPPRESS or is_common:
        return None
    names = action.option_strings or [str(action.metavar or action.dest)]
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices and not action.metavar:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    shown = names[0] if not action.option_strings else f"{', '.join(names)} {value}".strip()
    said = (action.help or "").replace("%%", "%")
    has_default = action.nargs != 0 and action.default not in (None, [], argparse.SUPPRESS)
    if has_default and "default" not in said:
        said = f"{said}; {action.default} by default".removeprefix("; ")
    return [f"`{shown}`", said]
