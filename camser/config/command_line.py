"""Split a command line into SpeechBrain's options and overrides of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain.utils.run_opts import RunOptions

NOT_OPTIONS = {"param_file", "overridden_args", "auto_mix_prec", "bfloat16_mix_prec"}
RUN_OPTIONS = frozenset(RunOptions().as_dict()) - NOT_OPTIONS  # the last two became ``precision``


class SettingsError(ValueError):
    """A recipe or an override that is not valid."""


def split_arguments(argv: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """SpeechBrain's arguments, the overrides by key, and the files of ``--include``.

    SpeechBrain's own parser cuts values at every "=", and takes abbreviated run options without
    setting them.

    Arguments
    ---------
    argv : sequence of str
        Without the program's name.

    Raises
    ------
    SettingsError
        If an override has no value or is given twice, or ``--include`` has no file.

    Example
    -------
    >>> split_arguments(["a.yaml", "--fold=3", "--device", "cpu", "--include", "b.yaml", "c.yaml"])
    (['a.yaml', '--device', 'cpu'], {'fold': '3'}, ['b.yaml', 'c.yaml'])
    """
    rest: list[str] = []
    overrides: dict[str, str] = {}
    included: list[str] = []
    waiting = list(argv)
    while waiting:
        argument = waiting.pop(0)
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name in RUN_OPTIONS or name == "help":
            rest.append(argument)
            continue
        if name == "include":
            files = [value] if equals else []
            while waiting and not waiting[0].startswith("--"):
                files.append(waiting.pop(0))
            if not files or "" in files:
                raise SettingsError("--include has no value; write --include FILE.yaml …")
            included += files
            continue
        if not equals and waiting and not waiting[0].startswith("--"):
            value = waiting.pop(0)
        if name in overrides:
            raise SettingsError(f"--{name} is given twice; give it once")
        if not value:
            raise SettingsError(f"--{name} has no value; write --{name}=VALUE")
        overrides[name] = value
    return rest, overrides, included
