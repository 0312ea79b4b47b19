"""`edgeport.info`: all that is known of a zoo model, or of an artifact."""

import dataclasses
from pathlib import Path
from typing import Any

from ..artifacts.json_reader import parse_json
from ..artifacts.manifest import Artifact
from ..targets.foreign import open_session
from ..targets.registry import artifact_path, is_artifact, target_of
from .describe import delegate_partitions, read_manifest


def info(what: str | Path) -> dict[str, Any]:
    """All that is known of a model or an artifact.

    Args:
        what: a name of the zoo, or the path of an artifact.

    Returns:
        Of a model: its input, normalisation, paper, parameters, public weights, and the precisions in which each
        target's export has passed ("passed", None where it was not run). Of an artifact: its inputs, outputs, runtime,
        what it needs on a microcontroller, and its manifest.

    Raises:
        UnknownModel: no zoo model has that name.
        ArtifactError, ManifestError, RuntimeUnavailable: as `edgeport.open_session`.

    Example:
        >>> edgeport.info("mobilevit_s")["input_size"]
        (3, 256, 256)
    """
    return _of_artifact(artifact_path(what)) if is_artifact(what) else _of_model(str(what))


def _of_model(name: str) -> dict[str, Any]:
    from ..models import get_variant, list_checkpoints
    from ..models.export_status import EXPORT_STATUS

    weights = [
        {"name": each.name, "licence": each.licence, "source": each.source, "differs": dict(each.differs)}
        for each in list_checkpoints(name)
    ]
    return dataclasses.asdict(get_variant(name)) | {"weights": weights, "passed": EXPORT_STATUS.get(name)}


def _of_artifact(path: Path) -> dict[str, Any]:
    session = open_session(path)
    manifest = read_manifest(path, session)
    facts = {
        "artifact": str(path),
        "size_bytes": Artifact.of(path).size_bytes,
        "inputs": [dataclasses.asdict(spec) for spec in session.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in session.outputs],
        "runtime": session.runtime,
        "emulated": session.emulated,
        "load_ms": session.load_ms,
        "delegate_partitions": delegate_partitions(session),
        "microcontroller": describe_footprint(path),
        "manifest": manifest and parse_json(manifest.to_bytes()),
    }
    session.close()
    return facts


def describe_footprint(path: Path) -> dict[str, Any] | None:
    """What the artifact needs on a microcontroller, or why none takes it; None for formats that none runs."""
    target = target_of(path)
    return target.footprint(path).to_json() if target and target.footprint else None
