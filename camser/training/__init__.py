"""Training on SpeechBrain's Brain. Recipes name these classes by the package."""

from camser.training.checkpoints import AtomicCheckpointer
from camser.training.early_stopping import EarlyStopping
from camser.training.noise import NoiseFolder

__all__ = ["AtomicCheckpointer", "EarlyStopping", "NoiseFolder"]
