"""``camser export`` and ``camser push``: a model folder of a run, and its upload."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add both to the command's parser."""
    export = commands.add_parser(
        "export", help="export a trained run as a self-contained model folder"
    )
    export.add_argument("run_folder", metavar="RUN", help="the output folder of the run")
    export.add_argument("folder", metavar="DIR", help="a folder that does not exist yet")
    add_format_options(export)
    export.add_argument(
        "--data-folder", metavar="DIR", help="the folder of the run's corpus, if it was moved"
    )
    export.add_argument(
        "--no-verify", action="store_true", help="do not compare with the run's predictions"
    )
    add_card_options(export)
    export.set_defaults(run=_export)

    push = commands.add_parser("push", help="upload a model folder to the Hugging Face hub")
    push.add_argument("folder", metavar="DIR", help="of `camser train` or `camser export`")
    push.add_argument("repo", metavar="user/name", help="on the hub; created if it does not exist")
    push.add_argument("--private", action="store_true", help="visible only to its owners")
    push.add_argument("--revision", metavar="BRANCH", help="created if it does not exist")
    push.add_argument("--message", help="the commit message")
    push.add_argument(
        "--dry-run", action="store_true", help="check and list the files; send nothing"
    )
    push.set_defaults(run=_push)


def add_format_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the graphs that a model folder may hold beside its weights."""
    parser.add_argument("--onnx", action="store_true", help="also write model.onnx")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="also write both model.onnx and model.int8.onnx; measure what int8 costs",
    )


def add_card_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add what only the author of a model can say on its card."""
    parser.add_argument(
        "--license",
        metavar="NAME",
        help="the model's, as the hub names it: cc-by-4.0, other, …; the model card says "
        "unknown by default",
    )
    parser.add_argument(
        "--language", nargs="+", metavar="CODE", help="of the recordings, for the card: en, de, …"
    )


def card_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of ``add_card_options`` that were given."""
    stated = {"license": arguments.license, "language": arguments.language}
    return {name: value for name, value in stated.items() if value}


def _export(arguments: argparse.Namespace) -> None:
    from camser.config.values import parse_value
    from camser.export.export_run import export_run

    # A mapping for several corpora.
    data_folder = parse_value(arguments.data_folder or "null", "--data-folder", "safe")
    folders = arguments.run_folder, arguments.folder, data_folder
    folder = export_run(
        *folders,
        verified=not arguments.no_verify,
        onnx=arguments.onnx,
        int8=arguments.int8,
        extra=card_options(arguments),
    )
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
