"""Back ends fit the classifier to the vectors of utterances at once. ``base`` is the interface."""

from camser.back_ends.base import BackEnd, HiddenLayer, LinearClassifier

__all__ = ["BackEnd", "HiddenLayer", "LinearClassifier"]
