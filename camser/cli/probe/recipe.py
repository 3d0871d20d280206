"""Probe the layers of a recipe's pretrained encoder."""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.utils.distributed import infer_device

from camser.back_ends.base import BackEnd
from camser.build import build_back_end, validate_model_config
from camser.cli.plugins.recipe import find_recipe
from camser.components import load_plugin_class
from camser.config.settings import Settings, read_arguments
from camser.data.folds import Fold, choose_fold, folds_of
from camser.data.manifest import Utterance, fingerprint
from camser.data.prepare import CorpusScanner, prepare, prepare_settings
from camser.data.protocols import unit_of
from camser.encoders.layers import HiddenStateEncoder
from camser.evaluation import results
from camser.experiment.layer_probe import (
    RULE,
    best_layer,
    build_probe_model,
    pool_layers,
    score_layers,
)
from camser.training.run_data import RunData

TRAIN, BUILD = "train.py", "!apply:camser.build.build_model"
BACK_END = "logistic"  # of a recipe that has none


class ProbeError(ValueError):
    """A recipe has no layers to choose from."""


def probe(arguments: Sequence[str], all_folds: bool = False) -> dict[str, Any]:
    """Score all layers of a recipe's pretrained encoder.

    Arguments
    ---------
    arguments : sequence of str
        The recipe's YAML, and overrides as for ``train.py``.
    all_folds : bool
        Whether a layer is chosen for each fold, by its training split; by default for the recipe's
        ``fold`` alone.

    Returns
    -------
    dict
        What was probed, and ``folds``: of each fold its name, the sizes of its training split, the
        chosen ``layer``, and the scores of each layer by inner fold.

    Raises
    ------
    ValueError
        If the recipe is not valid, or has no such encoder or several.
    """
    start, path = time.monotonic(), find_recipe(arguments[0])
    settings = read_arguments([str(path), *arguments[1:]])
    values = settings.values
    name = layered_encoder(values)
    back_end = build_back_end(values["back_end"] or BACK_END, values["back_ends"])
    assert back_end is not None, "it has a name"
    scan = load_scan(path)
    utterances, _ = prepare(scan, **prepare_settings(scan, values))
    protocol_folds = folds_of(utterances, values)
    folds = protocol_folds if all_folds else [choose_fold(protocol_folds, values)]
    trained = {u.id for fold in folds for u in fold.train}
    used = [u for u in utterances if u.id in trained]
    layers = _pool(name, settings, utterances, used)
    scored = [_score(layers, used, fold, back_end, values) for fold in folds]
    table = values["encoders"][name]
    return {
        "corpus": values["corpus"],
        **{key: values[key] for key in ("protocol", "selection", "labels", "segment_seconds")},
        "mask_padding": values.get("mask_padding", False),
        "encoder": name,
        "settings": {**table, "source": _basename(table.get("source"))},
        "back_end": {**values["back_ends"][values["back_end"] or BACK_END]},
        "rule": RULE,
        "recipe_layer": len(layers) - 1 if table.get("layer") is None else table["layer"],
        "num_protocol_folds": len(protocol_folds),
        "folds": scored,
        "seconds": round(time.monotonic() - start, 1),
        "manifest": fingerprint(utterances),
        "versions": results.versions(),
    }


def layered_encoder(values: Mapping[str, Any]) -> str:
    """The modality of a recipe whose encoder has layers.

    Raises
    ------
    ProbeError
        If there is none, or more than one.
    """
    validate_model_config(
        values["modalities"], values["encoders"], values["fusion"], values["fusions"]
    )
    plugins = {name: values["encoders"][name]["plugin"] for name in values["modalities"]}
    layered = [
        name
        for name, plugin in plugins.items()
        if issubclass(load_plugin_class("encoder", plugin), HiddenStateEncoder)
    ]
    if len(layered) != 1:
        problem = f"{' and '.join(layered)} have" if layered else f"none of {[*plugins]} has"
        raise ProbeError(
            f'{problem} layers to choose from; give the one to probe, e.g. --modalities="[whisper]"'
        )
    return layered[0]


def load_scan(recipe: Path) -> CorpusScanner | Mapping[str, CorpusScanner]:
    """The ``scan`` of a recipe's ``train.py``, or the ``SCANS`` of one for several corpora.

    Arguments
    ---------
    recipe : Path
        A YAML beside ``train.py``, or in a folder beside it.

    Raises
    ------
    ProbeError
        If there is no such file.
    """
    folder = next((f for f in recipe.absolute().parents[:2] if (f / TRAIN).is_file()), None)
    if folder is None:
        raise ProbeError(
            f"{recipe}: no {TRAIN} in its folder or the one above, which would read the corpus; "
            f"give a YAML in a recipe's folder"
        )
    with _first_on_path(folder):
        names = runpy.run_path(str(folder / TRAIN), run_name="probe")
    scan = names.get("scan", names.get("SCANS"))
    if scan is None:
        raise ProbeError(f"{folder / TRAIN} has no scan, which would read the corpus; import it")
    return scan


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _pool(
    name: str, settings: Settings, utterances: Sequence[Utterance], used: Sequence[Utterance]
) -> Any:
    values = settings.values
    if BUILD not in values["embedding_model"]:
        raise ProbeError(
            f"embedding_model is {', '.join(values['embedding_model'])}; only a model of "
            f"camser.build.build_model can be probed"
        )
    sb.utils.seed_everything(values["seed"])
    device = settings.run_opts["device"] or infer_device()
    model = build_probe_model(name, values["embedding_model"][BUILD]).to(device)
    folders = values["data_folder"], values["prepared_folder"]
    data = RunData(utterances, model, *folders, use_cache=False, device=device, progress=True)
    size = values["eval_batch_size"]
    data.check_batch_sizes(model, {"eval_batch_size": size})
    return pool_layers(model, data, used, values["labels"], size, values["num_workers"])


def _score(
    layers: Any,
    utterances: Sequence[Utterance],
    fold: Fold,
    back_end: BackEnd,
    values: Mapping[str, Any],
) -> dict[str, Any]:
    options = values["labels"], back_end, values["num_inner_folds"]
    scores = score_layers(layers, utterances, fold, *options)
    return {
        "fold": fold.index,
        "name": fold.name,
        "utterances": len(fold.train),
        "speakers": len({unit_of(u) for u in fold.train}),
        "speakers_known": all(u.speaker for u in fold.train),
        "layer": best_layer(scores),
        "layers": scores,
    }


def _basename(source: str | None) -> str | None:
    """Of a folder the name alone; a hub id as it is."""
    return Path(source).absolute().name if source and Path(source).is_dir() else source
