#!/usr/bin/env python3
"""Speech emotion recognition over several corpora: train on some and test on another, or on all.

    python recipes/CrossCorpus/train.py hparams/camser.yaml --target_corpus=emodb \
        --data_folder="{emodb: /data/emodb, ravdess: /data/ravdess}"

See recipes/IEMOCAP/train.py for overrides, run options and several GPUs.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from camser.config.recipes import RECIPES
from camser.data.prepare import CorpusScanner
from camser.experiment.run import main

HERE = Path(__file__).resolve().parent
CORPORA = {"iemocap": "IEMOCAP", "emodb": "EmoDB", "ravdess": "RAVDESS"}


def load_scan(corpus: str) -> CorpusScanner:
    """The reading of a corpus, from the recipe that ships with camser."""
    path = RECIPES / CORPORA[corpus] / f"{corpus}_prepare.py"
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.scan


SCANS = {corpus: load_scan(corpus) for corpus in CORPORA}

if __name__ == "__main__":
    main(SCANS, HERE)
