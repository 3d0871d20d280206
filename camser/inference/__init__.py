"""Use trained models on files, arrays and long recordings."""

from camser.inference.classifier import EmotionClassifier
from camser.inference.export_files import ExportError
from camser.inference.prediction import Prediction
from camser.inference.timeline import Timeline

__all__ = ["EmotionClassifier", "ExportError", "Prediction", "Timeline"]
