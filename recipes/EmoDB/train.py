#!/usr/bin/env python3
"""Speech emotion recognition on EmoDB: one fold of leave one speaker out.

    python recipes/EmoDB/train.py hparams/camser.yaml --data_folder=/data/emodb

See recipes/IEMOCAP/train.py for overrides, run options and several GPUs.
"""

from pathlib import Path

from emodb_prepare import scan

from camser.experiment.run import main

if __name__ == "__main__":
    main(scan, Path(__file__).parent)
