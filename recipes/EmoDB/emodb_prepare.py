"""EmoDB's file names (Burkhardt et al., 2005) to utterances: ``03a01Fa.wav`` says it all."""

from camser.config.recipes import RECIPES
from camser.data.named_corpus import read_corpus

scan = read_corpus(RECIPES / "Corpora/corpora/emodb.yaml").scan
