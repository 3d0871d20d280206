#!/usr/bin/env python3
"""Cross-validation over several corpora: folds x seeds x variants, each run a process of its own.

    python recipes/CrossCorpus/crossval.py hparams/camser.yaml --target_corpus=emodb --seeds 1 2 3 \
        --data_folder="{emodb: /data/emodb, ravdess: /data/ravdess}"

Finished runs are not repeated; the same command resumes an interrupted sweep.
"""

from train import HERE, SCANS

from camser.experiment.crossval.main import main

if __name__ == "__main__":
    main(SCANS, HERE)
