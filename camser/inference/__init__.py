"""Use trained models on files, arrays and long recordings."""

from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from camser.inference.classifier import EmotionClassifier as EmotionClassifier
    from camser.inference.export_files import ExportError as ExportError
    from camser.inference.prediction import Prediction as Prediction
    from camser.inference.timeline import Timeline as Timeline
    from camser.inference.timeline import Turn as Turn

# Imported on first use: the classifier needs PyTorch, which takes seconds.
_LAZY = {
    "EmotionClassifier": "classifier",
    "ExportError": "export_files",
    "Prediction": "prediction",
    "Timeline": "timeline",
    "Turn": "timeline",
}
__all__ = ["EmotionClassifier", "ExportError", "Prediction", "Timeline", "Turn"]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
