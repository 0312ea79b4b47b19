"""Make an .mlpackage that coremltools has written the same, byte for byte, for the same program."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_AUTHOR = "com.apple.CoreML"
_MODEL, _WEIGHTS = Path(_AUTHOR, "model.mlmodel"), Path(_AUTHOR, "weights")
_DATE = "com.github.apple.coremltools.conversion_date"
METADATA_KEY = "com.edgeport"


def finish(directory: Path, spec: Any, facts: Mapping[str, Any]) -> None:
    """Write `spec` (a Model protobuf) and a manifest over those in `directory`.

    The date and the build info go, protobuf's maps are sorted, the manifest's random identifiers become digests of what
    they name. `facts` is stored as JSON in the user-defined metadata, under "com.edgeport".
    """
    defined = spec.description.metadata.userDefined
    defined.pop(_DATE, None)
    spec.mlProgram.attributes.pop("buildInfo", None)  # the versions again, in random order
    defined[METADATA_KEY] = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    data = directory / "Data"
    (data / _MODEL).unlink()  # made for its writer's eyes only, as is the next
    (data / _WEIGHTS).chmod(data.stat().st_mode)
    (data / _MODEL).write_bytes(spec.SerializeToString(deterministic=True))
    items = {_identifier(data / _MODEL): _item(_MODEL, "Core ML Model Specification")}
    root = next(iter(items))
    if any((data / _WEIGHTS).iterdir()):
        items[_identifier(*(data / _WEIGHTS).iterdir())] = _item(_WEIGHTS, "Core ML Model Weights")
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": items, "rootModelIdentifier": root}
    (directory / "Manifest.json").write_text(json.dumps(manifest, indent=4) + "\n")


def weights_digest(directory: Path) -> str:
    """A digest of the constants beside the program."""
    return _identifier(*sorted((directory / "Data" / _WEIGHTS).glob("*")))


def _item(path: Path, description: str) -> dict[str, str]:
    return {"author": _AUTHOR, "description": description, "name": path.name, "path": path.as_posix()}


def _identifier(*files: Path) -> str:
    """A UUID made of the files' contents."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())).upper()
