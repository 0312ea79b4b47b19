"""Write checkpoints.py, the table of the hub's weights, from timm's registry.

    make tables, or: python -m edgeport.models.recheckpoint

Only this file reads timm, and only here: names, repositories, licences, preprocessing and class counts, as facts.
"""

import pathlib
from typing import Any

from .checkpoint import Checkpoint
from .registry import get_variant, list_models
from .reindex import CONSTANTS, literal
from .spec import Variant

_PREPROCESSING = ("input_size", "mean", "std", "interpolation", "crop_pct")  # of a hub's row; the rest is the variant's


def render() -> str:
    """The text of checkpoints.py: one line for each checkpoint, sorted by model; a model's default comes first."""
    rows = [f"    {_row(each)}," for model in list_models() for each in checkpoints(get_variant(model))]
    used = [name for name in CONSTANTS if any(name in row for row in rows)]
    imports = ["from .checkpoint import Checkpoint", *([f"from .spec import {', '.join(used)}"] if used else [])]
    return "\n".join([_HEAD, "", *imports, "", "# ruff: noqa: E501", "# fmt: off", "CHECKPOINTS = (", *rows, ")", ""])


_HEAD = '"""The table of the hub\'s weights, written by `python -m edgeport.models.recheckpoint`."""'


def checkpoints(variant: Variant) -> list[Checkpoint]:
    """The weights of a variant in timm's repositories of the hub, timm's default first.

    Left out: those without a classifier, and those for an input size that the architecture fixes and ours is not.
    """
    from timm.models import get_pretrained_cfg, list_pretrained

    found = []
    for name in list_pretrained(variant.name):
        theirs: Any = get_pretrained_cfg(name)
        if not theirs.hf_hub_id or not theirs.hf_hub_id.startswith("timm/") or theirs.num_classes < 1:
            continue
        differs = {key: its for key in _PREPROCESSING if (its := getattr(theirs, key)) != getattr(variant, key)}
        if theirs.fixed_input_size and "input_size" in differs:
            continue
        if theirs.num_classes != variant.num_classes:
            differs["num_classes"] = theirs.num_classes
        licence = theirs.license or "not stated"
        found.append(
            Checkpoint(
                model=variant.name, tag=theirs.tag or "", source=theirs.hf_hub_id, licence=licence, differs=differs
            )
        )
    first = get_pretrained_cfg(variant.name)
    return sorted(found, key=lambda checkpoint: first is None or checkpoint.tag != first.tag)


def _row(checkpoint: Checkpoint) -> str:
    facts: dict[str, Any] = {key: getattr(checkpoint, key) for key in ("model", "tag", "source", "licence")}
    text = ", ".join(f"{key}={literal(value)}" for key, value in facts.items())
    if checkpoint.differs:
        text += ", differs={" + ", ".join(f'"{k}": {literal(v)}' for k, v in checkpoint.differs.items()) + "}"
    return f"Checkpoint({text})"


def write() -> None:
    """Replaces checkpoints.py."""
    pathlib.Path(__file__).with_name("checkpoints.py").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    write()
