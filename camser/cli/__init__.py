# PYTHON_ARGCOMPLETE_OK
"""The ``camser`` command. Each subcommand imports what it needs, when it runs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from os.path import expanduser

import camser
from camser.cli.cite import add_parser as add_cite_parser
from camser.cli.completion import complete
from camser.cli.corpus import add_parser as add_corpus_parser
from camser.cli.data import add_parser as add_data_parser
from camser.cli.export import add_parser as add_export_parser
from camser.cli.messages import messages_at
from camser.cli.parser import STATUSES, Parser
from camser.cli.plugins.commands import add_parser as add_plugins_parser
from camser.cli.probe.command import add_parser as add_probe_parser
from camser.cli.recipes import add_parser as add_recipes_parser
from camser.cli.train.command import add_parser as add_train_parser
from camser.runtime.exit import escape_unencodable, exit_with_message, handle_output_errors
from camser.runtime.resource_errors import raise_with_memory_advice

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a subcommand. A mistake prints one line on standard error and exits with status 1."""
    escape_unencodable()
    parser = _parser()
    complete(parser)
    arguments = _with_home(parser.parse_args(argv))
    with (
        exit_with_message(ValueError, before="camser"),
        handle_output_errors(),
        messages_at(getattr(arguments, "level", logging.WARNING)),
    ):
        arguments.run(arguments)


def _with_home(arguments: argparse.Namespace) -> argparse.Namespace:
    """Paths may begin with "~", also where the shell leaves it, as in ``--model=~/my-model``."""
    for name, value in vars(arguments).items():
        if isinstance(value, str):
            setattr(arguments, name, expanduser(value))
        elif isinstance(value, list):
            setattr(arguments, name, list(map(expanduser, value)))
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="camser", description="Speech emotion recognition.", epilog=STATUSES)
    parser.add_argument("--version", action="version", version=f"camser {camser.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_data_parser(commands)
    add_train_parser(commands)
    add_probe_parser(commands)
    add_corpus_parser(commands)
    report = commands.add_parser("report", help="write tables and figures of runs")
    report.add_argument(
        "folders", nargs="+", metavar="DIR", help="a folder that contains runs, at any depth"
    )
    report.add_argument("--output", default="report", metavar="DIR", help="where to write")
    report.add_argument(
        "--readme", metavar="FILE", help="the main table is written between its two marks, too"
    )
    report.set_defaults(run=_report)
    add_cite_parser(commands)

    add_export_parser(commands)
    _add_classify(commands)

    doctor = commands.add_parser("doctor", help="check this environment; print what to install")
    doctor.add_argument("--json", action="store_true", help="print the same as JSON")
    doctor.set_defaults(run=_doctor)

    demo = commands.add_parser("demo", help="serve a web page and an HTTP API for a trained model")
    demo.add_argument("folder", metavar="DIR", help="a model folder, or user/name on the hub")
    demo.add_argument("--host", default="127.0.0.1", help="0.0.0.0: open to other machines")
    demo.add_argument("--port", type=int, default=7860, help="where it listens; 0: any")
    demo.add_argument("--open", action="store_true", help="open a browser")
    demo.add_argument(
        "--max-upload-mb", type=float, default=50, metavar="MB", help="largest upload"
    )
    demo.add_argument(
        "--max-audio-seconds", type=float, default=3600, metavar="N", help="longest recording"
    )
    demo.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name of the page behind a proxy",
    )
    demo.add_argument("--device", help="cpu, cuda, cuda:1; by default a GPU if there is one")
    demo.set_defaults(run=_demo)

    add_recipes_parser(commands)
    add_plugins_parser(commands)
    return parser


def _add_classify(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("classify", help="recognize the emotions of recordings")
    command.add_argument("paths", nargs="*", metavar="FILE|DIR", help="recordings, or folders")
    command.add_argument(
        "--file-list", metavar="FILE", help="one path per line; '-': standard input"
    )
    command.add_argument(
        "--model", required=True, metavar="DIR", help="a model folder, or user/name on the hub"
    )
    form = command.add_mutually_exclusive_group()
    forms = {
        "json": "a list of objects, with the files that failed",
        "csv": "a row per file, or per window of a timeline, with the files that failed",
        "rttm": "of a timeline: a line per turn, with the file's name",
        "audacity": "of a timeline of one file: a label track",
    }
    for name, text in forms.items():
        form.add_argument(f"--{name}", action="store_const", const=name, dest="form", help=text)
    command.add_argument("--timeline", action="store_true", help="print changes along each file")
    command.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="of a timeline; by default the model's segment",
    )
    command.add_argument(
        "--hop", type=float, metavar="SECONDS", help="between windows; 1 by default"
    )
    command.add_argument("--smoothing", choices=("mean", "median"), help="of neighboring windows")
    command.add_argument(
        "--smoothing-seconds", type=float, metavar="SECONDS", help="it spans; 5 by default"
    )
    command.add_argument("--threshold", type=float, default=0.0, help="no emotion below it, 0 … 1")
    command.add_argument(
        "--require-speech", action="store_true", help="a file without speech is an error"
    )
    command.add_argument("--batch-size", type=int, default=16, help="segments per batch")
    command.add_argument("--device", help="cpu, cuda, cuda:1; by default a GPU if there is one")
    command.add_argument("--engine", default="auto", help="torch, onnx, onnx-int8; auto chooses")
    command.add_argument(
        "--threads", type=int, help="of the CPU; by default OMP_NUM_THREADS, or all"
    )
    command.set_defaults(run=_classify, form="table")


def _report(arguments: argparse.Namespace) -> None:
    from camser.evaluation.report.collect import collect
    from camser.evaluation.report.write import update_readme_table, write_report

    sections = collect(arguments.folders)
    print(write_report(sections, arguments.output))
    if arguments.readme:
        update_readme_table(sections, arguments.readme)


def _classify(arguments: argparse.Namespace) -> None:
    from camser.cli import classify
    from camser.cli.find_recordings import find_recordings, read_file_list

    timeline = classify.timeline_options(arguments)
    recordings = find_recordings([*arguments.paths, *read_file_list(arguments.file_list)])
    files = recordings.files
    if arguments.form == "audacity" and len(files) > 1:
        raise ValueError(f"Audacity labels store no file name; give one file, not {len(files)}")

    from camser.inference.graph_recognizer import load_recognizer

    loading = arguments.device, arguments.batch_size, arguments.engine, arguments.threads
    model = load_recognizer(arguments.model, *loading)
    half = max(1, arguments.batch_size // 2)
    with raise_with_memory_advice(
        f"{arguments.batch_size} segments at once; give --batch-size={half}"
    ):
        options = arguments.form, arguments.threshold, timeline, arguments.require_speech
        num_failures = classify.classify(model, files, *options, recordings.problems)
    if skipped := recordings.skipped_files():
        logger.warning("skipped: %s", skipped)
    if num_failures:
        sys.exit(1)


def _doctor(arguments: argparse.Namespace) -> None:
    import json

    from camser.cli.doctor import checks, probe

    results = checks.run_checks(probe.gather())
    data = [finding._asdict() for finding in results]
    print(json.dumps(data, indent=1) if arguments.json else checks.render(results))
    sys.exit(int(any(finding.mark == "wrong" for finding in results)))


def _demo(arguments: argparse.Namespace) -> None:
    from camser.cli.demo.app import run
    from camser.cli.demo.limits import Limits

    limits = Limits(arguments.max_upload_mb, arguments.max_audio_seconds)
    server = arguments.host, arguments.port, arguments.open
    run(arguments.folder, limits, *server, arguments.device, arguments.allowed_host)
