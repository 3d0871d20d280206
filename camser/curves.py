"""The curves of a run while it trains, for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from speechbrain.utils.train_logger import TensorboardLogger

from camser.arguments import SettingsError


def tensorboard_logger(folder: Path) -> TensorboardLogger:
    """A train logger that writes to ``folder``.

    Raises
    ------
    SettingsError
        If TensorBoard is not installed.
    """
    try:
        return TensorboardLogger(str(folder))
    except ImportError as error:
        raise SettingsError(
            f"tensorboard: true needs {error.name}, which is not installed: pip install "
            f'"camser[tensorboard]", or give --tensorboard=false'
        ) from error
