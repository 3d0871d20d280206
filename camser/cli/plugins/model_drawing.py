"""A model as a picture in plain text: the paper's Fig. 1, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from camser.cli.plugins.text_table import format_columns


class Row(NamedTuple):
    """A line of the picture, its cells from left to right."""

    label: str = ""
    what: str = ""
    how: str = ""
    size: str = ""
    join: str = ""
    parameters: str = ""
    trained: str = ""


DOWN = Row(" │")
BACK = Row(" ┌")  # the branches end here; the drawing continues on the left


def draw(found: Mapping[str, Any]) -> str:
    """The picture of a model; all sizes are those of one segment.

    Arguments
    ---------
    found : mapping
        As ``model_summary.summarize_model`` returns it.
    """
    seconds, samples = f"{found['segment_seconds']:g} s", found["segment_samples"]
    is_whole = found["whole_utterances"]
    segments = f"utterances of up to {seconds}" if is_whole else f"segments of {seconds}"
    rows = [
        Row(parameters="parameters", trained="trained"),
        Row("waveform", segments, size=_size(samples)),
        *_encoders(found["encoders"], found["fusion"]["parts"]),
        BACK,
        *_fusion(found["fusion"]),
        BACK,
        *_head(found),
        Row(),
        Row("total", **_counts(found["total"])),
    ]
    lines = format_columns(rows, right=[3, 5, 6])
    corner = max(line.find("┐") for line in lines)
    return "\n".join(
        line.ljust(corner, "─") + "┘" if row is BACK else line
        for row, line in zip(rows, lines, strict=True)
    )


def _encoders(encoders: Mapping[str, Any], projections: Mapping[str, Any]) -> Iterator[Row]:
    branches = _branches([True] * len(encoders))
    for (name, encoder), (tip, join) in zip(encoders.items(), branches, strict=True):
        how = encoder["pooling"] if projections[name]["weighed_by"] is None else "weighed"
        how += ", standardized" if encoder["standardised"] else ""
        size = _size(*encoder["frames"])
        yield Row(f"{tip} {name}", encoder["plugin"], how, size, join, **_counts(encoder))


def _fusion(fusion: Mapping[str, Any]) -> Iterator[Row]:
    projections = fusion["parts"]
    yield Row(fusion["name"], fusion["plugin"], **_counts(fusion))
    branches = _branches([projection["is_fused"] for projection in projections.values()])
    for (name, projection), (tip, join) in zip(projections.items(), branches, strict=True):
        role, size = _role(name, projections), _size(projection["features"])
        yield Row(f"{tip} {name}", role, size=size, join=join)


def _role(name: str, projections: Mapping[str, Any]) -> str:
    """Which modalities weigh this one's frames; if it is not weighed, which ones it guides."""
    guides = projections[name]["weighed_by"]
    if guides is not None:
        return f"weighed by {', '.join(guides)}" if guides else "weighed"
    guided = [other for other, entry in projections.items() if name in (entry["weighed_by"] or ())]
    return f"guides {', '.join(guided)}" if guided else ""


def _head(model: Mapping[str, Any]) -> Iterator[Row]:
    fused, head, hidden = model["fusion"]["out_features"], model["head"], model["hidden"]
    embedding = _size(model["embedding_size"])
    yield Row("fused vector", size=_size(fused))
    yield DOWN
    if hidden["sizes"]:
        layers = " → ".join(map(str, [fused, *hidden["sizes"]]))
        yield Row("hidden layers", layers, size=embedding, **_counts(hidden))
        yield DOWN
    yield Row("embedding", f"{model['utterance_rule']} over segments", size=embedding)
    yield DOWN
    yield Row("head", ", ".join(head["labels"]), size=_size(head["classes"]), **_counts(head))


def _branches(are_joined: Sequence[bool]) -> list[tuple[str, str]]:
    """Where each branch leaves the stem, and where it meets the line down, if it is joined."""
    tips = [" ├─"] * (len(are_joined) - 1) + [" └─"]
    joins, first = [], True
    for is_joined in are_joined:
        joins.append(("──┐" if first else "──┤") if is_joined else ("" if first else "  │"))
        first = first and not is_joined
    return list(zip(tips, joins, strict=True))


def _counts(part: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{part[name]:,}" for name in ("parameters", "trained")}


def _size(*sizes: int | None) -> str:
    return "" if None in sizes else f"[{', '.join(map(str, sizes))}]"
