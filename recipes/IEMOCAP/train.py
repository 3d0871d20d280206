#!/usr/bin/env python3
"""Speech emotion recognition on IEMOCAP: one fold of one protocol.

    python recipes/IEMOCAP/train.py hparams/camser.yaml --data_folder=/data/IEMOCAP_full_release

The YAML is the paper's system (Zou et al., ICASSP 2022). Any of its keys can be overridden:

    … --fold=3 --modalities="[mfcc, wav2vec2]" --fusion=concat --seed=2

Other YAMLs can override it, in their order: --include hparams/ablation.yaml mine.yaml.
SpeechBrain's run options work as in every recipe (--device, --precision=bf16, --debug, …).
On several GPUs: torchrun --nproc_per_node=N recipes/IEMOCAP/train.py hparams/camser.yaml …

An interrupted run resumes when the same command is given again.
"""

from pathlib import Path

from iemocap_prepare import scan

from camser.experiment.run import main

if __name__ == "__main__":
    main(scan, Path(__file__).parent)
