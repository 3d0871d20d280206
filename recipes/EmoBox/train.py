#!/usr/bin/env python3
"""Speech emotion recognition on a corpus of EmoBox (32 corpora), on its published folds.

    python recipes/EmoBox/train.py hparams/camser.yaml --emobox=/data/EmoBox --corpus=emodb

See recipes/IEMOCAP/train.py for overrides, run options and several GPUs.
"""

import sys
from pathlib import Path

from emobox_prepare import add_labels, scan

from camser.experiment.run import main

if __name__ == "__main__":
    sys.argv[1:] = add_labels(sys.argv[1:])
    main(scan, Path(__file__).parent)
