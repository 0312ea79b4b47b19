"""What OpenVINO Model API makes of an IR, which it takes by its path alone."""

from pathlib import Path

from ...artifacts.manifest import Manifest
from ...runtime.contents.contents import Contents
from .client import NO_LABELS, NOT_SAID, Client, count_scores, is_labelled


def list_clients(path: Path, contents: Contents, manifest: Manifest | None) -> tuple[Client, ...]:
    """Its ClassificationModel."""
    refuses = []
    if len(contents.inputs) != 1 or len(contents.inputs[0].shape or ()) != 4:
        refuses.append("it takes no single image")
    elif manifest is not None and manifest.inputs and manifest.inputs[0].mean is None:
        refuses.append(NOT_SAID)
    if sum(count_scores(tensor) > 0 for tensor in contents.outputs) != 1:
        refuses.append("not just one output is a row of scores: leave out --top-k")
    notes = () if is_labelled(manifest) else (NO_LABELS,)
    return (Client(name="OpenVINO Model API, ClassificationModel", refuses=tuple(refuses), notes=notes),)
