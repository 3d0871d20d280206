"""The options of ``camser probe``, for a recipe and for labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Which layer of a pretrained encoder to take. All recordings pass the encoder once, a back end is
fitted to the pooled frames of each layer, and inner folds of the training speakers score it. The
speakers of the test split take no part. Prints a table; writes layers.json, .csv, .png and .svg.
"""
EPILOG = """\
SOURCE is a recipe, with overrides as for train.py, or labels, with options as for `camser train`:
  camser probe recipes/EmoDB/hparams/frozen.yaml --data_folder=/data/emodb
  camser probe labels.csv --encoder openai/whisper-base

  --output DIR  where to write; probe by default
  --all-folds   choose a layer for each fold of the protocol, not only for the recipe's fold
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser probe`` to the command's parser."""
    command = commands.add_parser(
        "probe",
        help="find the layer of a pretrained encoder to take, by the training speakers",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="camser probe SOURCE [--output DIR] [--all-folds] [options of SOURCE]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", metavar="SOURCE", help="a recipe's YAML, or labels")
    command.add_argument("options", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    command.set_defaults(run=_probe)


def _probe(arguments: argparse.Namespace) -> None:
    is_recipe = arguments.source.endswith((".yaml", ".yml"))
    (_probe_recipe if is_recipe else _probe_labels)(arguments.source, arguments.options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="camser probe", allow_abbrev=False)
    parser.add_argument("--output", type=Path, default=Path("probe"), metavar="DIR")
    parser.add_argument("--all-folds", action="store_true")
    return parser


def _probe_recipe(source: str, arguments: Sequence[str]) -> None:
    from camser.cli.probe.output import write
    from camser.cli.probe.recipe import probe

    options, overrides = _parser().parse_known_args(arguments)
    found = probe([source, *overrides], options.all_folds)
    layer = f'--encoders="{{{found["encoder"]}: {{layer: LAYER}}}}"'
    write(found, options.output, layer)


def _probe_labels(source: str, arguments: Sequence[str]) -> None:
    from camser.cli.probe.output import write
    from camser.cli.probe.recipe import ProbeError, probe
    from camser.cli.train.command import add_recipe_options
    from camser.cli.train.pipeline import write_recipe
    from camser.cli.train.workspace import RECIPE, Workspace

    parser = _parser()
    add_recipe_options(parser)
    parser.add_argument("--device", help="cpu, cuda; by default a GPU if there is one")
    options = parser.parse_args([source, *arguments])
    workspace = Workspace(options.output)
    if write_recipe(options, workspace) is None:
        raise ProbeError("there is no pretrained encoder to probe; give --encoder")
    device = [f"--device={options.device}"] if options.device else []
    found = probe([str(workspace.folder / RECIPE), *device], options.all_folds)
    layer = f'--set "encoders={{{found["encoder"]}: {{layer: LAYER}}}}"'
    write(found, options.output, layer)
