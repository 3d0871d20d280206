#!/usr/bin/env python3
"""Speech emotion recognition on RAVDESS: one of ten groups of actors.

    python recipes/RAVDESS/train.py hparams/camser.yaml --data_folder=/data/ravdess

See recipes/IEMOCAP/train.py for overrides, run options and several GPUs.
"""

from pathlib import Path

from ravdess_prepare import scan

from camser.experiment.run import main

if __name__ == "__main__":
    main(scan, Path(__file__).parent)
