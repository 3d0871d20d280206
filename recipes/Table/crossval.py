#!/usr/bin/env python3
"""Cross-validation on your own labels: all folds x seeds x variants, each run a process of its own.

    python recipes/Table/crossval.py hparams/frozen.yaml --data_folder=recordings --workers 2

See train.py for the labels. Finished runs are not repeated; the same command resumes an interrupted
sweep.
"""

from pathlib import Path

from camser.data.tables.saved import SavedTable
from camser.experiment.crossval.main import main

HERE = Path(__file__).parent

if __name__ == "__main__":
    main(SavedTable(HERE / "table.yaml"), HERE)
