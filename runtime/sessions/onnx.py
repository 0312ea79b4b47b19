"""Runs an ONNX model with ONNX Runtime on the CPU."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...artifacts.errors import ArtifactError, RuntimeUnavailable, first_line
from ..backends import onnxruntime
from ..session import TensorSpec, check_feeds, from_nhwc, to_nhwc

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
_ERRORS_ONLY = 3  # ONNX Runtime's severity: its warnings are about the graph optimiser, not about the model


class OnnxSession:
    """An ONNX model.

    Args:
        model: a path, or the serialised model.
        threads: intra-op threads; inter-op is always 1.
        optimisation: a key of OPTIMISATION. With "all" a quantised graph is no longer faithful to its own Q/DQ nodes
            (int8 fusions round elsewhere); with "disable" and "basic" it is.

    Raises:
        ArtifactError: ONNX Runtime refuses the model.
        RuntimeUnavailable: ONNX Runtime is not installed.
    """

    emulated = False

    def __init__(self, model: str | Path | bytes, *, threads: int = 1, optimisation: str = "all"):
        try:
            ort = onnxruntime()
        except ImportError as e:
            raise RuntimeUnavailable("ONNX Runtime is not installed: pip install onnxruntime") from e
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, OPTIMISATION[optimisation])
        start = time.perf_counter()
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as e:  # ONNX Runtime's exceptions share no base class
            where = "the model" if isinstance(model, bytes) else model
            raise ArtifactError(f"{where}: ONNX Runtime cannot load it ({first_line(e).rstrip('.')})") from e
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.threads = threads
        self.runtime = f"onnxruntime {ort.__version__}"
        ours = self._session.get_modelmeta().custom_metadata_map.get(METADATA_NAME)
        self._nhwc = bool(ours) and json.loads(ours).get("layout") == "nhwc"
        inputs = [_spec(arg) for arg in self._session.get_inputs()]
        self.inputs = tuple(from_nhwc(spec) if self._nhwc else spec for spec in inputs)
        self.outputs = tuple(_spec(arg) for arg in self._session.get_outputs())

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        if self._nhwc:
            arrays = [to_nhwc(array) for array in arrays]
        return [array.astype(spec.dtype, copy=False) for spec, array in zip(self.inputs, arrays, strict=True)]

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        named = {spec.name: array for spec, array in zip(self.inputs, arrays, strict=True)}
        return [np.asarray(array) for array in self._session.run([spec.name for spec in self.outputs], named)]

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {spec.name: array for spec, array in zip(self.outputs, arrays, strict=True)}

    def close(self) -> None:
        del self._session


def _spec(arg) -> TensorSpec:
    shape = tuple(dim if isinstance(dim, int) else None for dim in arg.shape)
    return TensorSpec(arg.name, shape, _DTYPE.get(arg.type) or str(arg.type))
