"""RAVDESS's file names (Livingstone and Russo, 2018) to utterances: audio of speech alone.

``03-01-05-02-01-01-12.wav``: modality, vocal channel, emotion, intensity, statement, repetition
and actor, two digits each. Songs and videos are not used.
"""

from camser.config.recipes import RECIPES
from camser.data.named_corpus import read_corpus

scan = read_corpus(RECIPES / "Corpora/corpora/ravdess.yaml").scan
