"""Split a command line into SpeechBrain's options and overrides of a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence

from speechbrain.utils.run_opts import RunOptions

RUN_OPTIONS = frozenset(RunOptions().as_dict()) - {"param_file", "overridden_args"}
NAME = re.compile(r"[A-Za-z_][\w.-]*")
DEPRECATED = ("auto_mix_prec", "bfloat16_mix_prec")


class SettingsError(ValueError):
    """A recipe or an override that is not valid."""


def split_arguments(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """SpeechBrain's arguments, and the overrides by key.

    SpeechBrain's own parser cuts values at every "=", joins "--key 1 2" into one string, and
    takes abbreviated run options without setting them.

    Arguments
    ---------
    argv : sequence of str
        Without the program's name.

    Raises
    ------
    SettingsError
        If an override has no value or several, or a run option is deprecated.

    Example
    -------
    >>> split_arguments(["a.yaml", "--fold=3", "--device", "cpu", "--fusion", "concat"])
    (['a.yaml', '--device', 'cpu'], {'fold': '3', 'fusion': 'concat'})
    """
    rest: list[str] = []
    overrides: dict[str, str] = {}
    waiting = None
    for argument in argv:
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and not NAME.fullmatch(name):
            raise SettingsError(f"{argument!r:.80} names no setting; overrides are --key=value")
        if argument.startswith("--") and name in DEPRECATED:
            raise SettingsError(
                f"--{name} is SpeechBrain's old name; give --precision=fp16 or bf16"
            )
        if argument.startswith("--") and name not in RUN_OPTIONS and name != "help":
            if name in overrides:
                raise SettingsError(f"--{name} is given twice; give it once")
            overrides[name] = value
            waiting = None if equals else name
        elif waiting and not argument.startswith("--"):
            if overrides[waiting]:
                raise SettingsError(f'--{waiting} takes one value; write a list as "[1, 2]"')
            overrides[waiting] = argument
        else:
            rest.append(argument)
            waiting = None
    empty = [name for name, value in overrides.items() if not value]
    if empty:
        raise SettingsError(f"--{empty[0]} has no value; write --{empty[0]}=VALUE")
    return rest, overrides
