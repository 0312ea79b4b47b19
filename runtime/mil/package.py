"""Find the parts of a .mlpackage folder and check that they are there.

Manifest.json                               {"itemInfoEntries": {id: {"path": ...}}, "rootModelIdentifier": id}
Data/com.apple.CoreML/model.mlmodel         the protobuf message Model
Data/com.apple.CoreML/weights/weight.bin    the large tensors; the program calls the folder above "@model_path"
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ...artifacts.errors import ArtifactError
from ...artifacts.files import read_regular
from ...artifacts.json_reader import NotJson, read_json
from .blob import BlobFile
from .program import Program, parse_model

MANIFEST = "Manifest.json"
MODEL_PATH = "@model_path/"
LARGEST = 2**31 - 1  # bytes of one protobuf message


@dataclass(frozen=True)
class _Item:
    path: str


@dataclass(frozen=True)
class _Manifest:
    itemInfoEntries: dict[str, _Item]
    rootModelIdentifier: str


def read_package(path: str | Path) -> Program:
    """The ML program of a package, with its weights.

    Raises ArtifactError, in one sentence, for a package that is incomplete, damaged or not an ML program.
    """
    path = Path(path)
    model = _model_file(path)
    try:
        data = read_regular(model, LARGEST)
    except OSError as e:
        raise ArtifactError(f"{model}: cannot be read ({e.strerror})") from e
    files: dict[str, BlobFile] = {}

    def blob_file(name: str) -> BlobFile:
        if name not in files:
            if not name.startswith(MODEL_PATH):
                raise ArtifactError(f"{model}: its weights are in {name!r}, which is not inside the package")
            files[name] = BlobFile(_inside(path, model.parent, name.removeprefix(MODEL_PATH)))
        return files[name]

    return parse_model(data, str(model), blob_file)


def _model_file(path: Path) -> Path:
    """The root model that the manifest names."""
    if not os.path.isdir(path):
        raise ArtifactError(
            f"{path}: {'is not a folder, as a Core ML package is' if os.path.exists(path) else 'no such file'}"
        )
    manifest = path / MANIFEST
    try:
        content = read_json(manifest, _Manifest)
    except FileNotFoundError as e:
        raise ArtifactError(f"{path}: has no {MANIFEST}, so it is not a Core ML package") from e
    except OSError as e:
        raise ArtifactError(f"{manifest}: cannot be read ({e.strerror})") from e
    except NotJson as e:
        raise ArtifactError(f"{manifest}: does not name the package's model ({e})") from e
    if content.rootModelIdentifier not in content.itemInfoEntries:
        missing = _short(content.rootModelIdentifier)
        raise ArtifactError(f"{manifest}: does not name the package's model (it has no item {missing})")
    item = content.itemInfoEntries[content.rootModelIdentifier].path
    model = _inside(path, path / "Data", item)
    if not os.path.isfile(model):
        raise ArtifactError(f"{path}: its manifest names {_short(item)}, which is missing")
    return model


def _inside(package: Path, folder: Path, name: str) -> Path:
    """folder/name, which must not lead out of the package."""
    try:
        file = folder / name
        inside = file.resolve().is_relative_to(package.resolve())
        with contextlib.suppress(FileNotFoundError):
            os.stat(file)  # names that no system takes raise
    except (OSError, ValueError, RuntimeError) as e:  # too long, a zero byte, links in a circle
        raise ArtifactError(f"{package}: {_short(name)} is no name of a file ({e.__class__.__name__})") from e
    if not inside:
        raise ArtifactError(f"{package}: {_short(name)} leads out of the package")
    return file


def _short(name: str) -> str:
    """The name for a sentence."""
    return ascii(name) if len(name) <= 60 else f"{name[:57]!a}..."
