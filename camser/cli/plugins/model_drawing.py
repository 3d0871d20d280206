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
    rows = [
        Row(parameters="parameters", trained="trained"),
        Row(
            "waveform",
            f"segments of {found['segment_seconds']:g} s",
            "",
            _size(found["segment_samples"]),
        ),
        *_encoders(found["encoders"], found["fusion"]["parts"]),
        BACK,
        *_fusion(found["fusion"]),
        BACK,
        *_head(found),
        Row(),
        _counted(Row("total"), found["total"]),
    ]
    left = format_columns([row[:5] for row in rows], right=[3])
    right = format_columns([row[5:] for row in rows], right=[0, 1])
    width = max(map(len, left))
    lines = []
    for row, drawing, numbers in zip(rows, left, right, strict=True):
        if row is BACK:
            drawing = drawing.ljust(width - 1, "─") + "┘"
        lines.append(f"{drawing:{width}}  {numbers}".rstrip())
    return "\n".join(lines)


def _encoders(encoders: Mapping[str, Any], projections: Mapping[str, Any]) -> Iterator[Row]:
    joins = _joins([True] * len(encoders))
    for (name, encoder), tip, join in zip(encoders.items(), _tips(encoders), joins, strict=True):
        how = encoder["pooling"] if projections[name]["weighed_by"] is None else "weighed"
        how += ", standardized" if encoder["standardised"] else ""
        row = Row(f"{tip} {name}", encoder["plugin"], how, _size(*encoder["frames"]), join)
        yield _counted(row, encoder)


def _fusion(fusion: Mapping[str, Any]) -> Iterator[Row]:
    projections = fusion["parts"]
    yield _counted(Row(fusion["name"], fusion["plugin"]), fusion)
    joins = _joins([projection["is_fused"] for projection in projections.values()])
    for (name, projection), tip, join in zip(
        projections.items(), _tips(projections), joins, strict=True
    ):
        yield Row(
            f"{tip} {name}", _role(name, projections), "", _size(projection["features"]), join
        )


def _role(name: str, projections: Mapping[str, Any]) -> str:
    """Which modalities weigh this one's frames; if it is not weighed, which ones it guides."""
    guides = projections[name]["weighed_by"]
    if guides is not None:
        return f"weighed by {', '.join(guides)}" if guides else "weighed"
    guided = [other for other, entry in projections.items() if name in (entry["weighed_by"] or ())]
    return f"guides {', '.join(guided)}" if guided else ""


def _head(model: Mapping[str, Any]) -> Iterator[Row]:
    fused, embedding, head = model["fusion"]["out_features"], model["embedding_size"], model["head"]
    layers = " → ".join(map(str, [fused, *model["hidden"]["sizes"]]))
    yield Row("fused vector", size=_size(fused))
    yield DOWN
    if model["hidden"]["sizes"]:
        yield _counted(Row("hidden layers", layers, "", _size(embedding)), model["hidden"])
        yield DOWN
    yield Row("embedding", "mean over segments", "", _size(embedding))
    yield DOWN
    yield _counted(Row("head", ", ".join(head["labels"]), "", _size(head["classes"])), head)


def _tips(names: Mapping[str, Any]) -> list[str]:
    """Where each branch leaves the stem."""
    return [" ├─"] * (len(names) - 1) + [" └─"]


def _joins(are_joined: Sequence[bool]) -> list[str]:
    """Where each branch meets the line down; one that ends before it leaves the line unbroken."""
    first = are_joined.index(True) if any(are_joined) else len(are_joined)
    return [
        ("──┐" if row == first else "──┤") if joined else ("  │" if row > first else "")
        for row, joined in enumerate(are_joined)
    ]


def _counted(row: Row, counts: Mapping[str, int]) -> Row:
    return row._replace(parameters=f"{counts['parameters']:,}", trained=f"{counts['trained']:,}")


def _size(*sizes: int | None) -> str:
    return "" if None in sizes else f"[{', '.join(map(str, sizes))}]"
