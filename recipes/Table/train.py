#!/usr/bin/env python3
"""Speech emotion recognition on your own labels: one fold, or all data.

    python recipes/Table/train.py hparams/frozen.yaml --data_folder=recordings

Beside this script, ``table.yaml`` says where the labels are: ``source: labels.csv``, and other
arguments of ``camser.data.tables.read.read_table``. ``camser train`` writes all of it, and runs it.
"""

from pathlib import Path

from camser.data.tables.saved import SavedTable
from camser.experiment.run import main

HERE = Path(__file__).parent

scan = SavedTable(HERE / "table.yaml")

if __name__ == "__main__":
    main(scan, HERE)
