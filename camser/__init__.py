"""camser: speech emotion recognition from plugins, on SpeechBrain."""

import os
from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from camser.inference import EmotionClassifier as EmotionClassifier

# From 1.29 on, onnxruntime reports to Microsoft which models are run, unless this is set before its
# import. Its thread for that also makes forked processes abort at their end.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
_LAZY = {"EmotionClassifier": "camser.inference"}  # imported on first use: PyTorch takes seconds


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'camser' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
