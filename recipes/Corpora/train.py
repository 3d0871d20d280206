#!/usr/bin/env python3
"""Speech emotion recognition on one of fourteen corpora, or on your own by its file names.

    python recipes/Corpora/train.py hparams/cremad.yaml --data_folder=/data/CREMA-D

See recipes/IEMOCAP/train.py for overrides, run options and several GPUs.
"""

from pathlib import Path

from corpora_prepare import scan

from camser.experiment.run import main

if __name__ == "__main__":
    main(scan, Path(__file__).parent)
