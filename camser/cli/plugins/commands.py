"""The actions of ``camser plugins``. Each imports what it needs, when it runs."""

from __future__ import annotations

import argparse
import functools
import json
import sys

from camser.cli.plugins import listing
from camser.cli.plugins.text_table import format_columns


def list_plugins(arguments: argparse.Namespace) -> None:
    """Print what is installed; with ``--load``, whether each can be used."""
    rows = [plugin._asdict() for plugin in listing.listed()]
    if arguments.load:
        from camser.cli.plugins.listing import load_error

        for row in rows:
            row["fault"] = load_error(row["kind"], row["name"])
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    if arguments.load:
        rows = [{**row, "fault": row["fault"] or "loads"} for row in rows]
    for line in format_columns([list(row.values()) for row in rows]):
        print(line)


def show(arguments: argparse.Namespace) -> None:
    """Print the pages of the plugins with one name."""
    from camser.cli.plugins.recipe import read_params
    from camser.cli.plugins.show import plugin_page

    params = read_params(arguments.params)
    kinds = listing.kinds_of(arguments.name, arguments.kind)
    print("\n\n".join(plugin_page(kind, arguments.name, params) for kind in kinds))


def check(arguments: argparse.Namespace) -> None:
    """Run the conformance kit; the exit status is 1 if a check fails."""
    from camser.cli.plugins import check
    from camser.cli.plugins.recipe import read_params

    params = read_params(arguments.params)
    kinds = listing.kinds_of(arguments.name, arguments.kind)
    if len(kinds) > 1:
        raise ValueError(
            f"{arguments.name!r} is {' and '.join(kinds)}; choose one: --kind {kinds[0]}"
        )
    print_line = functools.partial(print, flush=True)
    passed = check.check(kinds[0], arguments.name, params, print_line)
    sys.exit(int(not passed))


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
    print("\n".join(map(str, written)))
    folder = written[0].parent
    print(f'\npip install -e "{folder}[test]"\npytest {folder}')


ACTIONS = {
    "list": list_plugins,
    "show": show,
    "check": check,
    "describe": describe,
    "new": new,
}
