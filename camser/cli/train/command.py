"""The options of ``camser train``."""

from __future__ import annotations

import argparse

from camser.cli.export import add_card_options, add_format_options
from camser.cli.label_options import HELP, add_label_options

EPILOG = """\
examples:
  camser train labels.csv --output my-model
  camser train recordings/ --output my-model --encoder openai/whisper-base
  camser train db/ --output my-model --columns "{emotion: mood}" --merge "{glad: happy}"
  camser train labels.csv --output my-model --preset finetune --set number_of_epochs=10

Beside the model, OUTPUT-runs has the report, the runs, and a recipe to go on with by hand.
The same command goes on where it was interrupted.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser train`` to the command's parser."""
    command = commands.add_parser(
        "train",
        help="train and test a model on your own labelled recordings",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe_options(command)
    command.add_argument("--output", required=True, metavar="DIR", help="the model folder to write")
    machine = command.add_argument_group("machine")
    machine.add_argument("--device", help="cpu, cuda; by default a GPU if there is one")
    machine.add_argument("--workers", type=int, help="runs at once; by default one per GPU, or one")
    export = command.add_argument_group("export")
    add_format_options(export)
    add_card_options(export)
    command.set_defaults(run=_train)


def add_recipe_options(command: argparse.ArgumentParser) -> None:
    """Add the labels, and the options that decide the recipe which is written for them."""
    command.add_argument("table", metavar="LABELS", help=HELP)
    labels = command.add_argument_group("labels")
    add_label_options(labels)
    labels.add_argument(
        "--allow-missing", action="store_true", help="leave out rows with a problem, with a warning"
    )
    model = command.add_argument_group("model")
    model.add_argument(
        "--preset", choices=("tiny", "frozen", "finetune", "paper"),
        help="tiny: MFCC alone; frozen (default): a pretrained encoder as it is, minutes on a "
        "laptop; finetune: it is trained further; paper: with MFCC and spectrogram, on a GPU",
    )  # fmt: skip
    model.add_argument(
        "--encoder", metavar="DIR|ID",
        help="wav2vec2, HuBERT, WavLM, data2vec-audio or Whisper; one of the hub's cache",
    )  # fmt: skip
    model.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", action="extend",
        help="any setting of the recipe: --set batch_size=16 patience=5",
    )  # fmt: skip
    model.add_argument(
        "--seed", type=int, default=1234, help="of the random numbers; 1234 by default"
    )
    test = command.add_argument_group("test")
    test.add_argument(
        "--folds", type=int, metavar="N",
        help="groups of speakers, or of files if speakers are unknown; by default the table's own "
        "split, each of up to 10 speakers, or 5",
    )  # fmt: skip
    test.add_argument(
        "--protocol",
        help="what is tested together: leave_one_speaker_out, leave_one_session_out, "
        "speaker_k_fold or given (the table's split); by default as the labels allow",
    )


def _train(arguments: argparse.Namespace) -> None:
    from camser.cli.train.pipeline import train

    train(arguments)
