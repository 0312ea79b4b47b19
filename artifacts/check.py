"""Checks that an artifact is there, can be read, and is what the manifest beside it describes."""

import json
from pathlib import Path

from .digest import files_of, sha256_of_artifact, size_of_artifact
from .errors import ArtifactError


def manifest_path(artifact: Path) -> Path:
    """mobilevit_s_int8.tflite -> mobilevit_s_int8.tflite.json, beside it."""
    return artifact.with_name(artifact.name + ".json")


def check_file(path: Path) -> None:
    """Raises ArtifactError unless `path` is a readable file that agrees with its manifest, where one lies beside it."""
    if not path.exists():
        raise ArtifactError(f"{path}: no such file")
    if not path.is_file():
        raise ArtifactError(f"{path}: is not a file")
    try:
        if path.stat().st_size == 0:
            raise ArtifactError(f"{path}: is empty")
        with path.open("rb") as file:
            file.read(1)
        _check_recorded(path)
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e


def check_folder(path: Path) -> None:
    """Raises ArtifactError unless `path` is a folder whose files agree with its manifest, where one lies beside it."""
    if not path.exists():
        raise ArtifactError(f"{path}: no such folder")
    if not path.is_dir():
        raise ArtifactError(f"{path}: is not a folder")
    try:
        if not files_of(path):
            raise ArtifactError(f"{path}: is empty")
        _check_recorded(path)
    except OSError as e:
        raise ArtifactError(f"{e.filename or path}: cannot be read ({e.strerror})") from e


def _check_recorded(path: Path) -> None:
    recorded = _recorded_artifact(path)
    if not recorded:
        return
    size = size_of_artifact(path)
    if size != recorded["size_bytes"]:
        raise ArtifactError(
            f"{path}: has {size} bytes, but its manifest says {recorded['size_bytes']}; export it again"
        )
    if sha256_of_artifact(path) != recorded["sha256"]:
        raise ArtifactError(f"{path}: its sha256 is not the one in its manifest; export it again")


def _recorded_artifact(path: Path) -> dict | None:
    """{"size_bytes", "sha256"} from the manifest beside an artifact, or None where there is none for this file."""
    try:
        recorded = json.loads(manifest_path(path).read_bytes())["artifact"]
        return recorded if recorded["file"] == path.name and {"size_bytes", "sha256"} <= recorded.keys() else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # somebody else's json
