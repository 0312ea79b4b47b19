"""What Apple's Vision framework makes of a model."""

from pathlib import Path

from ...artifacts.manifest import Manifest
from ...runtime.contents.contents import Contents
from .client import NO_LABELS, Client, is_labelled


def list_clients(path: Path, contents: Contents, manifest: Manifest | None) -> tuple[Client, ...]:
    """VNCoreMLRequest, by its documentation."""
    image = any("image" in tensor.dtype for tensor in contents.inputs)
    refuses = () if image else ("its input is an array, no image: export it with --input uint8",)
    notes = () if is_labelled(manifest) else (NO_LABELS,)
    return (Client(name="Vision, VNCoreMLRequest", refuses=refuses, notes=notes),)
