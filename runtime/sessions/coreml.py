"""Runs a Core ML .mlpackage: by Core ML itself on a Mac, elsewhere by our runner of ML programs (mil/).

The path through Core ML is written from Apple's documentation of coremltools' MLModel and has never been run.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...artifacts.embedded import read_embedded
from ...artifacts.errors import ArtifactError, FeedError, RuntimeUnavailable, first_line
from ...artifacts.json_reader import NotJson, parse_json
from ...artifacts.sizes import Sizes
from ..backends import torch_threads
from ..mil.package import read_package
from ..mil.program import Feature, Program
from ..session import TensorSpec, check_feeds, outward, with_sizes

METADATA_KEY = "com.edgeport"  # of our facts, as JSON, in the user-defined metadata

# our word -> member of coremltools.ComputeUnit
COMPUTE_UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "cpu+gpu": "CPU_AND_GPU", "cpu+ne": "CPU_AND_NE"}


class CoreMLSession:
    """A Core ML ML program.

    An image input takes pixels, 0 ... 255 in RGB (or grey), NCHW like every other input: the normalisation is inside
    the model. Its spec says dtype "uint8", and fractions are rounded. What our facts in the file call a scalar is one
    from outside; Core ML has no arrays without axes. A classifier gives its probabilities,
    (1, classes) in the order of `labels`; the predicted label is the one at their maximum.

    Args:
        threads: PyTorch's, for our runner, set for the whole process whenever it runs; Core ML chooses its own.
        compute_units: a key of COMPUTE_UNITS, for Core ML.
        backend: "coreml" or "mil"; by default Core ML on a Mac with coremltools, our runner elsewhere.

    Attributes:
        labels: the classifier's; empty for other models.
        metadata: what the file says of itself ("author", "license", the user's own entries).

    Raises:
        ArtifactError: the package is damaged, or not an ML program that the backend can run.
        RuntimeUnavailable: Core ML is asked for where there is none.
    """

    def __init__(self, path: str | Path, *, threads: int = 1, compute_units: str = "all", backend: str = ""):
        start = time.perf_counter()
        program = read_package(path)
        if (backend or _default_backend()) == "coreml":
            start = time.perf_counter()  # Core ML reads the package itself
            self._backend: _Backend = _CoreML(Path(path), program, compute_units)
        else:
            self._backend = _Runner(program, threads)
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.threads = threads
        self.runtime = self._backend.runtime
        self.emulated = isinstance(self._backend, _Runner)
        self.metadata = dict(program.metadata)
        self.labels = _labels(program)
        self._features = program.inputs
        scalars = _scalars(program)
        inputs = _without_axes(scalars, (_input_spec(program, feature) for feature in program.inputs))
        self.inputs = with_sizes(inputs, _sizes(program))
        self.outputs = _without_axes(
            scalars,
            (
                _output_spec(program, feature, len(self.labels))
                for feature in program.outputs
                if feature.name != program.label_name or not self.labels
            ),
        )

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        given = {
            feature.name: _pixels(feature, array) if feature.kind == "image" else np.atleast_1d(array)
            for feature, array in zip(self._features, arrays, strict=True)
        }
        results = self._backend.run(given)
        arrays = ((spec, outward(results[spec.name])) for spec in self.outputs)
        return {spec.name: array.reshape(()) if spec.shape == () else array for spec, array in arrays}

    def close(self) -> None:
        del self._backend


class _Backend(Protocol):
    runtime: str

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{input: float32 NCHW, pixels in whole numbers in RGB} -> {output: array}, probabilities as (1, classes)."""
        ...


class _Runner:
    """Our runner, on any machine."""

    def __init__(self, program: Program, threads: int):
        import torch

        from ..mil.interpreter import Interpreter

        self._torch, self._threads, self._program = torch, threads, program
        self._interpreter = Interpreter(program)
        self._colours = {feature.name: feature.colour for feature in (*program.inputs, *program.outputs)}
        self.runtime = f"edgeport mil (torch {torch.__version__})"

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arguments = {
            name: self._torch.tensor(array[:, ::-1].copy() if self._colours[name] == "bgr" else array)
            for name, array in feeds.items()
        }
        with torch_threads(self._threads):
            results = self._interpreter(arguments)
        return {
            feature.name: self._outward(feature, results[feature.name])
            for feature in self._program.outputs
            if isinstance(results[feature.name], self._torch.Tensor)
        }

    def _outward(self, feature: Feature, value: Any) -> np.ndarray:
        if feature.name == self._program.probabilities_name:
            return value.reshape(1, -1).numpy()
        if feature.kind != "image":
            return value.numpy()
        pixels = value.round().clamp(0, 255).numpy()
        return pixels[:, ::-1].copy() if feature.colour == "bgr" else pixels


class _CoreML:
    """Core ML itself, through coremltools. Untested: no Mac has run it."""

    def __init__(self, path: Path, program: Program, compute_units: str):
        if not _has_core_ml():
            raise RuntimeUnavailable("Core ML needs a Mac with coremltools: pip install 'edgeport[coreml]'")
        import coremltools as ct

        self._path, self._program = path, program
        try:
            self._model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[COMPUTE_UNITS[compute_units]])
        except Exception as e:  # Core ML's exceptions share no base class
            raise ArtifactError(f"{path}: Core ML cannot load it ({first_line(e).rstrip('.')})") from e
        self.runtime = f"Core ML (coremltools {ct.__version__}, {COMPUTE_UNITS[compute_units]})"

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {f.name: _picture(feeds[f.name]) if f.kind == "image" else feeds[f.name] for f in self._program.inputs}
        try:
            results = self._model.predict(given)
        except Exception as e:  # as above
            raise ArtifactError(f"{self._path}: Core ML cannot run it ({first_line(e).rstrip('.')})") from e
        labels = _labels(self._program)
        return {
            name: np.array([[value[label] for label in labels]], np.float32)
            if isinstance(value, dict)
            else np.asarray(value)
            if feature.kind == "array"
            else _from_picture(value)
            for name, value in results.items()
            if (feature := next(f for f in self._program.outputs if f.name == name)).name != self._program.label_name
        }


def _has_core_ml() -> bool:
    return sys.platform == "darwin" and find_spec("coremltools") is not None


def _default_backend() -> str:
    return "coreml" if _has_core_ml() else "mil"


def _labels(program: Program) -> tuple[str | int, ...]:
    """The classes of the program's classify operation, as they stand in the file."""
    for operation in program.operations:
        if operation.type == "classify":
            classes = operation.inputs["classes"][0].literal
            return tuple(label if isinstance(label, str) else int(label) for label in classes)  # type: ignore[union-attr]
    return ()


def _scalars(program: Program) -> frozenset[str]:
    """The inputs and outputs that have no axes by our own facts in the file; none of a foreign one."""
    try:
        facts = parse_json(program.metadata.get(METADATA_KEY, ""))
        return frozenset(each["name"] for side in ("inputs", "outputs") for each in facts[side] if each["shape"] == [])
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _sizes(program: Program) -> Sizes | None:
    """Those of the image, by our own facts in the file. Raises ArtifactError."""
    try:
        return read_embedded(program.metadata.get(METADATA_KEY)).sizes
    except NotJson as e:
        raise ArtifactError(f"{program.where}: its {METADATA_KEY!r} metadata is damaged ({e})") from e


def _without_axes(scalars: frozenset[str], specs: Iterable[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The specs as they look from outside: the one axis of a scalar is left out."""
    return tuple(replace(spec, shape=()) if spec.name in scalars and spec.shape == (1,) else spec for spec in specs)


def _input_spec(program: Program, feature: Feature) -> TensorSpec:
    if feature.kind not in ("image", "array"):
        raise ArtifactError(
            f"{program.where}: its input {feature.name!r} is a {feature.kind}; only images and arrays can be given"
        )
    return TensorSpec(feature.name, program.type_of(feature.name).shape or feature.shape, feature.dtype)


def _output_spec(program: Program, feature: Feature, classes: int) -> TensorSpec:
    if feature.name == program.probabilities_name:
        return TensorSpec(feature.name, (1, classes), "float32")
    return TensorSpec(feature.name, program.type_of(feature.name).shape or feature.shape, feature.dtype)


def _pixels(feature: Feature, array: np.ndarray) -> np.ndarray:
    """What an 8-bit image holds of the array. Raises FeedError where these are no pixels."""
    if array.min() < -0.5 or array.max() > 255.5:
        raise FeedError(
            f"input {feature.name!r} is an image: it takes pixels from 0 to 255, "
            f"but was given {array.min():.3g} to {array.max():.3g}"
        )
    return array if feature.colour == "grayscale_float16" else np.rint(array).clip(0, 255)


def _picture(array: np.ndarray) -> Any:
    """(1, 3 or 1, h, w) -> a PIL image, as MLModel.predict wants it."""
    from PIL import Image

    pixels = array[0].transpose(1, 2, 0).astype(np.uint8)
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])


def _from_picture(image: Any) -> np.ndarray:
    """A PIL image -> (1, 3 or 1, h, w), RGB."""
    pixels = np.asarray(image.convert("L" if image.mode == "L" else "RGB"), np.float32)
    return np.atleast_3d(pixels).transpose(2, 0, 1)[None]
