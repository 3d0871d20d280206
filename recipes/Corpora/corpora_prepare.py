"""A corpus whose YAML in ``corpora/`` says how its files are named, to utterances."""

from __future__ import annotations

from pathlib import Path

from camser.data.named_corpus import read_corpus
from camser.data.prepare import CorpusError, CorpusScan
from camser.registry import did_you_mean

DECLARED = Path(__file__).parent / "corpora"


def scan(data_folder: Path, corpus: str) -> CorpusScan:
    """Find every recording.

    Raises
    ------
    CorpusError
        If no file declares the corpus, or this is not the right folder.
    """
    names = sorted(path.stem for path in DECLARED.glob("*.yaml"))
    if corpus not in names:
        hint = did_you_mean(corpus, names)
        raise CorpusError(f"no corpus {corpus!r}; {DECLARED} has: {', '.join(names)}.{hint}")
    return read_corpus(DECLARED / f"{corpus}.yaml").scan(data_folder)
