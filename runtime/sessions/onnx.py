"""Runs an ONNX model with ONNX Runtime on the CPU."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.embedded import Embedded, read_embedded
from ...artifacts.errors import ArtifactError, ModelFileError, RuntimeUnavailable, first_line
from ...artifacts.json_reader import NotJson
from ...graph.external_data import check_external_data
from ..backends import onnxruntime
from ..session import TensorSpec, check_feeds, from_nhwc, to_nhwc, with_sizes

METADATA_NAME = "edgeport"  # our entry in metadata_props: JSON

# our word -> member of onnxruntime.GraphOptimizationLevel
OPTIMISATION = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}

# ONNX Runtime's name of a type -> NumPy's
_DTYPE = {
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(bool)": "bool"},
}
_SILENT = 4  # ONNX Runtime's severity: its warnings are about the graph optimiser, its errors come as exceptions, too
# "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running OP node. Name:'NAME' Status Message: ..."
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_NODE = re.compile(r"^Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: ")
_SOURCE = re.compile(r"^\S*\.(?:cc|h):\d+ (?:[^()]*\([^()]*\) (?:const )?|\w+ )?")  # a file, a line, a function


class OnnxSession:
    """An ONNX model.

    Args:
        model: a path, or the serialised model.
        threads: intra-op threads; inter-op is always 1.
        optimisation: a key of OPTIMISATION. With "all" a quantised graph is no longer faithful to its own Q/DQ nodes
            (int8 fusions round elsewhere); with "disable" and "basic" it is.
        profile_prefix: of the path of a file in which each run's nodes and their times are written; None for none.

    Raises:
        ArtifactError: ONNX Runtime refuses the model.
        RuntimeUnavailable: ONNX Runtime is not installed.
    """

    emulated = False

    def __init__(
        self,
        model: str | Path | bytes,
        *,
        threads: int = 1,
        optimisation: str = "all",
        profile_prefix: str | None = None,
    ):
        try:
            ort = onnxruntime()
        except ImportError as e:
            raise RuntimeUnavailable("ONNX Runtime is not installed: pip install onnxruntime") from e
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _SILENT
        if profile_prefix is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile_prefix
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, OPTIMISATION[optimisation])
        self._where = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes):
            _check_external_data(Path(model))
        start = time.perf_counter()
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as e:  # ONNX Runtime's exceptions share no base class
            raise ArtifactError(f"{self._where}: ONNX Runtime cannot load it ({_why(e)})") from e
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.threads = threads
        self.runtime = f"onnxruntime {ort.__version__}"
        inputs = [_spec(arg, self._where) for arg in self._session.get_inputs()]
        ours = self._read_facts(inputs)
        self._nhwc = ours.layout == "nhwc"
        self.inputs = with_sizes([from_nhwc(spec) if self._nhwc else spec for spec in inputs], ours.sizes)
        self.outputs = tuple(_spec(arg, self._where) for arg in self._session.get_outputs())

    def _read_facts(self, inputs: Sequence[TensorSpec]) -> Embedded:
        """What edgeport has written into the file: whether it takes an image as a camera gives it, of which sizes."""
        try:
            ours = read_embedded(self._session.get_modelmeta().custom_metadata_map.get(METADATA_NAME))
        except NotJson as e:
            raise ArtifactError(f"{self._where}: its {METADATA_NAME!r} metadata is damaged ({e})") from e
        if ours.layout == "nhwc" and any(len(spec.shape) != 4 for spec in inputs):
            raise ArtifactError(f"{self._where}: its {METADATA_NAME!r} metadata says NHWC of an input without 4 axes")
        return ours

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        if self._nhwc:
            arrays = [to_nhwc(array) for array in arrays]
        return [array.astype(spec.dtype, copy=False) for spec, array in zip(self.inputs, arrays, strict=True)]

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        named = {spec.name: array for spec, array in zip(self.inputs, arrays, strict=True)}
        try:
            results = self._session.run([spec.name for spec in self.outputs], named)
        except Exception as e:  # as above
            raise ArtifactError(f"{self._where}: ONNX Runtime cannot run it ({_why(e)})") from e
        return [np.asarray(array) for array in results]

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {spec.name: array for spec, array in zip(self.outputs, arrays, strict=True)}

    def end_profiling(self) -> Path:
        """Writes the file of a session with a `profile_prefix`, and says which it is; later runs are not in it."""
        return Path(self._session.end_profiling())

    def close(self) -> None:
        del self._session


def _check_external_data(path: Path) -> None:
    """Raises ArtifactError where the file names data that lie outside its folder, or are no file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        check_external_data(onnx.load_model(path, load_external_data=False), path)
    except ModelFileError as e:
        raise ArtifactError(str(e)) from e
    except (DecodeError, ValueError, OSError):
        return  # ONNX Runtime says what is wrong


def _spec(arg: Any, where: str) -> TensorSpec:
    if arg.type not in _DTYPE:
        raise ArtifactError(f"{where}: {arg.name!r} is a {arg.type}; inputs and outputs must be tensors of numbers")
    shape = tuple(dim if isinstance(dim, int) else None for dim in arg.shape)
    return TensorSpec(arg.name, shape, _DTYPE[arg.type])


def _why(error: Exception) -> str:
    """The reason in what ONNX Runtime says, without its error codes and source files."""
    words, where = _CODE.sub("", first_line(error)), ""
    if node := _NODE.match(words):
        words, where = words[node.end() :], f"{node[1]} {node[2]}".strip() + ": "
    return where + (_SOURCE.sub("", words).strip().rstrip(".") or type(error).__name__)
