"""The actions of ``camser plugins``. Each imports what it needs, when it runs."""

from __future__ import annotations

import argparse
import json
import sys

from camser.cli.plugins import listing
from camser.cli.plugins.text_table import format_columns
from camser.registry import GROUPS


def list_plugins(arguments: argparse.Namespace) -> None:
    """Print what is installed; with ``--load``, whether each can be used."""
    rows = [plugin._asdict() for plugin in listing.listed()]
    if arguments.load:
        rows = [{**row, "fault": listing.load_error(row["kind"], row["name"])} for row in rows]
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        cells = [[value or "loads" for value in row.values()] for row in rows]
        print("\n".join(format_columns(cells)))


def show(arguments: argparse.Namespace) -> None:
    """Print the pages of the plugins with one name."""
    from camser.cli.plugins.recipe import read_params
    from camser.cli.plugins.show import plugin_page

    params = read_params(arguments.params)
    kinds = listing.kinds_of(arguments.name, arguments.kind)
    print("\n\n".join(plugin_page(kind, arguments.name, params) for kind in kinds))


def check(arguments: argparse.Namespace) -> None:
    """Run the conformance kit; the exit status is 1 if a check fails."""
    from camser.cli.plugins.check import check
    from camser.cli.plugins.recipe import read_params

    params = read_params(arguments.params)
    kind, *others = listing.kinds_of(arguments.name, arguments.kind)
    if others:
        kinds = " and ".join([kind, *others])
        raise ValueError(f"{arguments.name!r} is {kinds}; choose one: --kind {kind}")
    sys.exit(int(not check(kind, arguments.name, params)))


def describe(arguments: argparse.Namespace) -> None:
    """Print the model that a recipe builds."""
    from camser.cli.plugins import model_drawing, model_summary, recipe

    as_json = arguments.json or "--json" in arguments.overrides
    overrides = [argument for argument in arguments.overrides if argument != "--json"]
    settings = recipe.read([arguments.recipe, *overrides])
    summary = model_summary.summarize_model(*recipe.build(settings), settings.values["labels"])
    print(json.dumps(summary, indent=1) if as_json else model_drawing.draw(summary))


def new(arguments: argparse.Namespace) -> None:
    """Write a package and print its files, and what to do next."""
    from camser.cli.plugins.new_package import write_package

    written = write_package(arguments.name, arguments.kind, arguments.folder)
    folder = written[0].parent
    print(*written, f'\npip install -e "{folder}[test]"\npytest {folder}', sep="\n")


ACTIONS = {"list": list_plugins, "show": show, "check": check, "describe": describe, "new": new}


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser plugins`` to the command's parser."""
    plugins = commands.add_parser("plugins", help="list, check and create plugins")
    actions = plugins.add_subparsers(required=True, metavar="ACTION", dest="action")
    plugins.set_defaults(run=lambda arguments: ACTIONS[arguments.action](arguments))

    action = actions.add_parser("list", help="list the installed plugins; imports none")
    action.add_argument("--load", action="store_true", help="import each; show if it loads")
    action.add_argument("--json", action="store_true", help="print the same as JSON")

    for name, help_text in (
        ("show", "show a plugin's parameters, docstring and sizes"),
        ("check", "run the conformance kit on a plugin"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("name", metavar="NAME", help="as `camser plugins list` prints it")
        action.add_argument(
            "params", metavar="PARAMS", nargs="?", help="of its constructor, as a YAML"
        )
        action.add_argument(
            "--kind", choices=tuple(GROUPS), help="if plugins of several kinds have NAME"
        )

    action = actions.add_parser("describe", help="draw the model that a recipe builds")
    action.add_argument("--json", action="store_true", help="print the same as JSON")
    action.add_argument("recipe", metavar="YAML", help="a recipe; needs no corpus; camser:… ships")
    action.add_argument(
        "overrides", metavar="--key=value", nargs=argparse.REMAINDER, help="as for train.py"
    )

    action = actions.add_parser("new", help="write a package with a plugin of your own")
    action.add_argument("name", metavar="NAME", help="the plugin's name in recipes")
    kinds = ("encoder", "fusion")
    action.add_argument("--kind", choices=kinds, required=True, help="what it is to be")
    action.add_argument(
        "--folder", metavar="DIR", help="that does not exist yet; camser-NAME by default"
    )
