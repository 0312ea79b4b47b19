"""Checks that an artifact is there, can be read, and is what the manifest beside it describes."""

import stat
from dataclasses import dataclass
from pathlib import Path

from .digest import files_of, sha256_of_artifact, size_of_artifact
from .errors import ArtifactError
from .files import open_regular
from .json_reader import NotJson, read_json


def manifest_path(artifact: Path) -> Path:
    """mobilevit_s_int8.tflite -> mobilevit_s_int8.tflite.json, beside it."""
    return artifact.with_name(artifact.name + ".json")


def check_file(path: Path) -> None:
    """Raises ArtifactError unless `path` is a readable file that agrees with its manifest, where one lies beside it."""
    try:
        with open_regular(path) as file:
            if not file.read(1):
                raise ArtifactError(f"{path}: is empty")
        _check_recorded(path)
    except FileNotFoundError as e:
        raise ArtifactError(f"{path}: no such file") from e
    except IsADirectoryError as e:
        raise ArtifactError(f"{path}: is not a file") from e
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e


def check_folder(path: Path) -> None:
    """Raises ArtifactError unless `path` is a folder whose files agree with its manifest, where one lies beside it."""
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            raise ArtifactError(f"{path}: is not a folder")
        if not files_of(path):
            raise ArtifactError(f"{path}: is empty")
        _check_recorded(path)
    except FileNotFoundError as e:
        raise ArtifactError(f"{path}: no such folder") from e
    except OSError as e:
        raise ArtifactError(f"{e.filename or path}: cannot be read ({e.strerror})") from e


def _check_recorded(path: Path) -> None:
    recorded = recorded_artifact(path)
    if not recorded:
        return
    size = size_of_artifact(path)
    if size != recorded.size_bytes:
        raise ArtifactError(f"{path}: has {size} bytes, but its manifest says {recorded.size_bytes}; export it again")
    if sha256_of_artifact(path) != recorded.sha256:
        raise ArtifactError(f"{path}: its sha256 is not the one in its manifest; export it again")


@dataclass(frozen=True)
class _Recorded:
    file: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class _Beside:
    """What has to be in a .json beside an artifact for it to be its manifest, of whatever schema."""

    artifact: _Recorded


def recorded_artifact(path: Path) -> _Recorded | None:
    """What the manifest beside an artifact says of it, or None where there is none for this file."""
    try:
        recorded = read_json(manifest_path(path), _Beside).artifact
    except (NotJson, OSError):
        return None  # somebody else's json, or what will be said of it when it is read as a manifest
    return recorded if recorded.file == path.name else None
