"""Which pretrained encoder a preset takes: the one that is named, or one that is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

PLUGINS = {  # by transformers' type of model
    "whisper": "whisper", "wav2vec2": "wav2vec2", "hubert": "wav2vec2", "wavlm": "wav2vec2",
    "data2vec-audio": "wav2vec2",
}  # fmt: skip
# Those that are looked for in the hub's cache, the better ones first; the last one is fetched.
KNOWN = (
    "openai/whisper-base", "openai/whisper-base.en", "openai/whisper-tiny",
    "openai/whisper-tiny.en", "facebook/wav2vec2-base-960h", "facebook/wav2vec2-base",
)  # fmt: skip
FETCHED = "openai/whisper-base"


class EncoderError(ValueError):
    """A pretrained encoder cannot be used."""


class Encoder(NamedTuple):
    """A pretrained encoder.

    Arguments
    ---------
    source : str
        A folder, or a hub id.
    plugin : str
        The encoder plugin that loads it.
    num_layers : int
        Its transformer's layers.
    """

    source: str
    plugin: str
    num_layers: int

    def settings(self, freeze: str | None, layer: int | None) -> dict[str, Any]:
        """The encoder's table in a recipe."""
        return {"plugin": self.plugin, "source": self.source, "freeze": freeze, "layer": layer}


def read_encoder(source: str) -> Encoder:
    """What a folder, or a checkpoint of the hub, holds; only its configuration is read.

    Raises
    ------
    EncoderError
        If it is not there, or no plugin loads it.
    """
    folder = Path(source)
    try:
        path = folder / "config.json" if folder.is_dir() else hf_hub_download(source, "config.json")
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    except (
        OSError, ValueError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    ) as error:  # fmt: skip
        raise EncoderError(
            f"{source}: no pretrained encoder can be read there ({type(error).__name__}); give a "
            f"folder with config.json and model.safetensors, or a hub id and a network"
        ) from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in PLUGINS:
        raise EncoderError(f"{source}: its model_type is {kind!r}; allowed: {', '.join(PLUGINS)}")
    num_layers = config.get("encoder_layers" if kind == "whisper" else "num_hidden_layers")
    if not isinstance(num_layers, int) or num_layers < 1:
        raise EncoderError(f"{source}: its config.json does not say how many layers it has")
    return Encoder(str(folder.resolve()) if folder.is_dir() else source, PLUGINS[kind], num_layers)


def find_encoder() -> Encoder | None:
    """A small encoder of the hub's cache, or one that is fetched; None if neither can be had."""
    for source in KNOWN:
        if isinstance(try_to_load_from_cache(source, "model.safetensors"), str):
            return read_encoder(source)
    print(f"no pretrained encoder is at hand; fetching {FETCHED} from the hub …", flush=True)
    try:
        hf_hub_download(FETCHED, "model.safetensors")
        return read_encoder(FETCHED)
    except (EncoderError, OSError, HfHubHTTPError, LocalEntryNotFoundError):
        return None
