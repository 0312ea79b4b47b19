"""Define what a session is, and open the right one for an artifact.

A session runs one artifact: float32 NCHW arrays and the model's own tensor names outside, the format's oddities inside.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from ..artifacts.errors import ArtifactError, FeedError

# how the name ends -> (module of this package, class); a new format is one row and one file
SESSIONS = {
    ".onnx": ("sessions.onnx", "OnnxSession"),
    ".tflite": ("sessions.tflite", "TFLiteSession"),
    ".mlpackage": ("sessions.coreml", "CoreMLSession"),
    ".xml": ("sessions.openvino", "OpenVINOSession"),
    "_openvino_model": ("sessions.openvino", "OpenVINOSession"),
}
IMAGE = "uint8"  # dtype of an input that is an image: whole pixels from 0 to 255
WHOLE = frozenset({"int32", "int64", "bool"})  # types of inputs and outputs that are no real numbers
FOLDERS = frozenset({".mlpackage", "_openvino_model"})  # the formats that are a folder


def outward(array: np.ndarray) -> np.ndarray:
    """A result as a session gives it: whole numbers as they are, others as float32."""
    return array if array.dtype.name in WHOLE else array.astype(np.float32, copy=False)


def from_nhwc(spec: "TensorSpec") -> "TensorSpec":
    """An image input that the artifact takes as (n, h, w, c), as it looks from outside."""
    n, h, w, c = spec.shape
    return replace(spec, shape=(n, c, h, w))


def to_nhwc(array: np.ndarray) -> np.ndarray:
    """(n, c, h, w) -> (n, h, w, c), contiguous."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


@dataclass(frozen=True)
class TensorSpec:
    """An input or output as seen from outside.

    Attributes:
        name: the model's own name.
        shape: logical NCHW dimensions; None where the artifact leaves one open.
        dtype: the numpy name of what the artifact computes with there ("float32", "int8").
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@runtime_checkable
class Session(Protocol):
    """What every format's session offers."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    threads: int
    load_ms: float  # from the file on disk to ready to run, without our own checks of the file
    runtime: str  # name and version, "onnxruntime 1.22.0"
    emulated: bool  # True where this is not what runs the artifact on a device, so that its times mean nothing

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{input name: NCHW array} -> {output name: array}: float32, or whole numbers where the artifact has such.

        Raises FeedError.
        """
        ...

    def close(self) -> None:
        """Frees the native memory; the session cannot run after it."""
        ...


@runtime_checkable
class Portable(Session, Protocol):
    """A session of an artifact that other machines can run, too: `run` is inward, raw and outward in turn."""

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """What the artifact is given, in its own order, layout and types. Raises FeedError."""
        ...

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the artifact gives, in its own order, layout and types."""
        ...

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{output name: array}, as `run` gives it."""
        ...


def open_session(path: str | Path, *, threads: int = 1, **options) -> Session:
    """The session of the artifact at `path`, chosen by how its name ends; `options` go to that format's class.

    Raises:
        ArtifactError: no such file, unknown suffix, or not what the suffix says.
        RuntimeUnavailable: the format's backend is not installed.
    """
    path = Path(path)
    ending = next((ending for ending in SESSIONS if path.name.endswith(ending)), None)
    if ending is None:
        known = ", ".join(SESSIONS)
        raise ArtifactError(f"{path}: no runtime for the suffix {path.suffix or '(none)'!r}; known: {known}")
    (check_folder if ending in FOLDERS else check_file)(path)
    module, name = SESSIONS[ending]
    return getattr(importlib.import_module(f".{module}", __package__), name)(path, threads=threads, **options)


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
        _check_recorded(path, [path], lambda: _sha256(path))
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e


def check_folder(path: Path) -> None:
    """Raises ArtifactError unless `path` is a folder whose files agree with its manifest, where one lies beside it."""
    if not path.exists():
        raise ArtifactError(f"{path}: no such folder")
    if not path.is_dir():
        raise ArtifactError(f"{path}: is not a folder")
    try:
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if not files:
            raise ArtifactError(f"{path}: is empty")
        _check_recorded(path, files, lambda: _folder_sha256(path, files))
    except OSError as e:
        raise ArtifactError(f"{e.filename or path}: cannot be read ({e.strerror})") from e


def _check_recorded(path: Path, files: Sequence[Path], sha256: Callable[[], str]) -> None:
    recorded = _recorded_artifact(path)
    if not recorded:
        return
    size = sum(file.stat().st_size for file in files)
    if size != recorded["size_bytes"]:
        raise ArtifactError(
            f"{path}: has {size} bytes, but its manifest says {recorded['size_bytes']}; export it again"
        )
    if sha256() != recorded["sha256"]:
        raise ArtifactError(f"{path}: its sha256 is not the one in its manifest; export it again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_sha256(path: Path, files: Sequence[Path]) -> str:
    """Of the files' digests and names, sorted: as the manifest records a folder."""
    listing = "".join(f"{_sha256(file)} {file.relative_to(path).as_posix()}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _recorded_artifact(path: Path) -> dict | None:
    """{"size_bytes", "sha256"} from the manifest beside an artifact, or None where there is none for this file."""
    try:
        recorded = json.loads(manifest_path(path).read_bytes())["artifact"]
        return recorded if recorded["file"] == path.name and {"size_bytes", "sha256"} <= recorded.keys() else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # somebody else's json


def check_feeds(inputs: tuple[TensorSpec, ...], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The feeds in the order of `inputs`, contiguous: whole numbers and bytes as they are where the artifact takes
    such, else float32. Raises FeedError on a wrong name or shape."""
    names = [spec.name for spec in inputs]
    if set(names) != set(feeds):
        raise FeedError(f"the model's inputs are {names}, but {sorted(feeds)} were given")
    arrays = []
    for spec in inputs:
        array = np.asarray(feeds[spec.name], order="C")
        is_image = array.dtype.name == spec.dtype == IMAGE
        if not is_image and (spec.dtype not in WHOLE or array.dtype.kind not in "iub"):
            array = array.astype(np.float32, copy=False)
        fits = len(spec.shape) == array.ndim and all(
            want in (None, got) for want, got in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            raise FeedError(f"input {spec.name!r} has shape {spec.shape}, but {array.shape} was given")
        arrays.append(array)
    return arrays
