"""``camser synthesize-corpus``."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser synthesize-corpus`` to the command's parser."""
    corpus = commands.add_parser(
        "synthesize-corpus", help="write a synthetic corpus in IEMOCAP's layout"
    )
    corpus.add_argument("folder", help="a folder that does not exist yet")
    sizes = {"dialogues-per-session": (4, "of five"), "turns-per-dialogue": (12, "utterances")}
    for name, (default, text) in sizes.items():
        corpus.add_argument(f"--{name}", metavar="N", type=int, default=default, help=text)
    corpus.add_argument(
        "--mean-seconds", metavar="SECONDS", type=float, default=3.0, help="of an utterance"
    )
    corpus.add_argument("--seed", type=int, default=0, help="another gives other recordings")
    corpus.set_defaults(run=_synthesize_corpus)


def _synthesize_corpus(arguments: argparse.Namespace) -> None:
    from camser.data.synthetic import synthesize_corpus

    counts = synthesize_corpus(
        arguments.folder,
        arguments.dialogues_per_session,
        arguments.turns_per_dialogue,
        arguments.seed,
        arguments.mean_seconds,
    )
    total = sum(sum(session.values()) for session in counts.values())
    print(f"{arguments.folder}: {total} utterances of 4 emotions, 10 speakers, 5 sessions")
