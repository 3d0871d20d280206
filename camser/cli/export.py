"""``camser export`` and ``camser push``: a model folder of a run, and its upload."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add both to the command's parser."""
    export = commands.add_parser(
        "export", help="export a trained run as a self-contained model folder"
    )
    export.add_argument("run_folder", metavar="RUN", help="the output folder of the run")
    export.add_argument("folder", metavar="DIR", help="a folder that does not exist yet")
    export.add_argument("--onnx", action="store_true", help="also write model.onnx")
    export.add_argument(
        "--int8",
        action="store_true",
        help="also write both model.onnx and model.int8.onnx; measure what int8 costs",
    )
    export.add_argument("--data-folder", help="the folder of the run's corpus, if it was moved")
    export.add_argument(
        "--no-verify", action="store_true", help="do not compare with the run's predictions"
    )
    export.add_argument(
        "--license", metavar="NAME", help="the model's, as the hub names it; by default unknown"
    )
    export.add_argument(
        "--language", nargs="+", metavar="CODE", help="of the recordings: en, de, …"
    )
    export.set_defaults(run=_export)

    push = commands.add_parser("push", help="upload a model folder to the Hugging Face hub")
    push.add_argument("folder", metavar="DIR", help="written by `camser export`")
    push.add_argument("repo", metavar="user/name", help="created if it does not exist")
    push.add_argument("--private", action="store_true", help="visible only to its owners")
    push.add_argument("--revision", metavar="BRANCH", help="created if it does not exist")
    push.add_argument("--message", help="the commit message")
    push.add_argument(
        "--dry-run", action="store_true", help="check and list the files; send nothing"
    )
    push.set_defaults(run=_push)


def _export(arguments: argparse.Namespace) -> None:
    from camser.config.values import parse_value
    from camser.export.export_run import export_run

    # A mapping for several corpora.
    data_folder = parse_value(arguments.data_folder or "null", "--data-folder", "safe")
    folders = arguments.run_folder, arguments.folder, data_folder
    formats = {"onnx": arguments.onnx, "int8": arguments.int8}
    stated = {"license": arguments.license, "language": arguments.language}
    extra = {name: value for name, value in stated.items() if value}
    folder = export_run(*folders, verified=not arguments.no_verify, extra=extra, **formats)
    if arguments.int8:
        from camser.export.onnx.quantize import int8_summary
        from camser.inference.export_config import read_config

        print(int8_summary(read_config(folder)["int8"]))
    print(folder)


def _push(arguments: argparse.Namespace) -> None:
    from camser.export.hub_upload import plan, push

    planned = plan(arguments.folder, arguments.repo, arguments.revision)
    for path in planned.files:
        print(f"{path.name:20}{path.stat().st_size:>15,} bytes")
    if planned.left_out:
        print(f"left out: {', '.join(planned.left_out)}")
    if arguments.dry_run:
        print(f"dry run: nothing was sent to {arguments.repo}")
        return
    print(push(planned, arguments.private, arguments.message))
