#!/usr/bin/env python3
"""Cross-validation on a corpus: all folds x seeds x variants, each run a process of its own.

    python recipes/Corpora/crossval.py hparams/cremad.yaml --data_folder=… --seeds 1 2 --workers 2

Finished runs are not repeated; the same command resumes an interrupted sweep.
"""

from pathlib import Path

from corpora_prepare import scan

from camser.experiment.crossval.main import main

if __name__ == "__main__":
    main(scan, Path(__file__).parent)
