#!/usr/bin/env python3
"""Cross-validation on EmoBox: all folds x seeds x variants, each run a process of its own.

    python recipes/EmoBox/crossval.py hparams/whole_utterances.yaml --emobox=… --corpus=emodb \
        --variants logistic

Finished runs are not repeated; the same command resumes an interrupted sweep.
"""

import sys
from pathlib import Path

from emobox_prepare import add_labels, scan

from camser.experiment.crossval.main import main

if __name__ == "__main__":
    sys.argv[1:] = add_labels(sys.argv[1:])
    main(scan, Path(__file__).parent)
