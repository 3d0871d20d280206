"""The options of ``crossval.py`` beside the settings of a recipe."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from typing import NamedTuple

from camser.config.command_line import SettingsError

CHOSEN = {"variant": "variants", "fold": "folds", "seed": "seeds", "selection": "selections"}


class Resources(NamedTuple):
    """The resources of one job, and the number of jobs at once on a machine."""

    workers: int
    cpus: int
    gpus: float


def option_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of these options."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Cross-validation of a recipe: all folds x seeds x variants. All other "
        "arguments are the recipe's, as for train.py. Finished runs are not repeated.",
        usage="%(prog)s RECIPE.yaml [--include FILE …] [--variants NAME …] [--folds N …] "
        "[--seeds N …] [--key=value …]",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--variants", nargs="+", metavar="NAME", help="by their names in the YAML; all by default"
    )
    parser.add_argument("--folds", nargs="+", type=int, metavar="N", help="from 0; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="the recipe's by default")
    parser.add_argument(
        "--selections",
        nargs="+",
        metavar="S",
        help="held_out, test_fold or none; the recipe's by default",
    )
    parser.add_argument(
        "--launcher",
        choices=["local", "ray"],
        default="local",
        help="local (default): on this machine; ray: on a Ray cluster",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="jobs at once; one per GPU, or one, by default"
    )
    parser.add_argument(
        "--cpus_per_job", type=int, metavar="N", help="by default the machine's CPUs / workers"
    )
    parser.add_argument(
        "--gpus_per_job",
        type=float,
        metavar="N",
        help="with ray; by default the machine's GPUs / workers, at most 1",
    )
    parser.add_argument("--dry_run", action="store_true", help="only print the runs")
    return parser


def read_options(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of the sweep, and the remaining arguments for the recipe.

    Arguments
    ---------
    argv : sequence of str
        The command line without the program's name.

    Raises
    ------
    SettingsError
        If the arguments set a value that the sweep itself varies.
    """
    parser = option_parser()
    own, others = _separated(argv, {f"--{name}" for name in vars(parser.parse_args([]))})
    options, rest = parser.parse_known_args(own)
    rest += others
    if options.gpus_per_job is not None and options.launcher == "local":
        raise SettingsError("--gpus_per_job is for --launcher=ray; here --workers sets the number")
    for argument in rest:
        name = argument.removeprefix("--").partition("=")[0]
        if argument.startswith("--") and name in CHOSEN:
            raise SettingsError(
                f"--{name} is for one run; here it is --{CHOSEN[name]}, with one or several values"
            )
    return options, rest


def _separated(argv: Sequence[str], names: Collection[str]) -> tuple[list[str], list[str]]:
    """The options with these names and their values, and the other arguments.

    argparse takes an unknown option with a space in its value for a value of the option before it.
    """
    own: list[str] = []
    others: list[str] = []
    current = others
    for argument in argv:
        if argument.startswith("--") or argument in names:
            current = own if argument.partition("=")[0] in names else others
        current.append(argument)
    return own, others


def resources(options: argparse.Namespace, num_gpus: int) -> Resources:
    """The number of jobs at once on a machine, and the resources of each.

    Arguments
    ---------
    options : Namespace
        The first result of ``read_options``.
    num_gpus : int
        The GPUs of this machine that the recipe may use.
    """
    allowed_cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    num_cpus = len(allowed_cpus) or os.cpu_count() or 1
    workers = options.workers or num_gpus or 1
    for name in ("workers", "cpus_per_job"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name} is {value}; it must be 1 or more")
    cpus = options.cpus_per_job or max(1, num_cpus // workers)
    gpus = options.gpus_per_job
    return Resources(workers, cpus, min(num_gpus / workers, 1.0) if gpus is None else gpus)
