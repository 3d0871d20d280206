"""What ``camser`` says of itself: help, version, and the nearest subcommand."""

import argparse
import shlex
import sys

import pytest

from camser import __version__, cli


def parsers(parser, before=""):
    """The parser of each subcommand, at any depth, by its words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield f"{before}{name}", command
                yield from parsers(command, f"{before}{name} ")


COMMANDS = dict(parsers(cli._parser()))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    for action in COMMANDS[name]._actions:
        is_hidden = action.help == argparse.SUPPRESS
        has_actions = isinstance(action, argparse._SubParsersAction)
        assert action.help or is_hidden or has_actions, action


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_an_example_that_it_takes(name):
    text = COMMANDS[name].format_help()
    lines = [line.strip() for line in text.splitlines() if line.startswith("  camser")]
    assert lines and all(
        line.startswith(f"camser {name} ") or line == f"camser {name}" for line in lines
    )
    if name not in ("data", "probe"):  # these parse their own arguments
        for line in lines:
            cli._parser().parse_args(shlex.split(line.partition(" > ")[0])[1:])


def test_defaults_are_shown_where_they_say_something(capsys):
    with pytest.raises(SystemExit):
        cli.main(["classify", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "segments per batch (default: 16)" in text and "by default a GPU if there is" in text
    assert "None" not in text and "default: table" not in text and "default: False" not in text


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"camser {__version__}\n"


@pytest.mark.parametrize(
    ("words", "nearest"), [("classfy a.wav", "classify"), ("plugins lst", "list")]
)
def test_the_nearest_subcommand(words, nearest, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["camser", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert f"Did you mean {nearest!r}?" in capsys.readouterr().err
