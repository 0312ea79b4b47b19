"""Runs an ONNX graph as ONNX defines it, by the evaluator of the onnx package; its convolutions are PyTorch's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...artifacts.errors import ArtifactError, first_line
from ..session import TensorSpec, check_feeds, outward
from .float64_evaluator import fast_convolutions

if TYPE_CHECKING:
    import onnx


class OnnxDefinition:
    """A graph in the words of its definition: slow, and nobody's kernels.

    Args:
        proto: the graph.
        inputs, outputs: its own, in their order.

    Raises:
        ArtifactError: the reference evaluator does not have an operator.
    """

    threads, load_ms, emulated = 1, 0.0, True

    def __init__(self, proto: "onnx.ModelProto", inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]):
        import onnx
        from onnx.reference import ReferenceEvaluator

        self.inputs, self.outputs = inputs, outputs
        self.runtime = f"onnx {onnx.__version__}"
        try:
            self._evaluator = ReferenceEvaluator(proto, new_ops=fast_convolutions())
        except Exception as e:  # it has no one kind of error
            raise ArtifactError(f"ONNX's reference evaluator cannot load it ({first_line(e)})") from e

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        given = {spec.name: array.astype(spec.dtype) for spec, array in zip(self.inputs, arrays, strict=True)}
        names = [spec.name for spec in self.outputs]
        try:
            with np.errstate(all="ignore"):
                results = self._evaluator.run(names, given)
        except Exception as e:  # nor here
            raise ArtifactError(f"ONNX's reference evaluator cannot run it ({first_line(e)})") from e
        return {name: outward(np.asarray(result)) for name, result in zip(names, results, strict=True)}

    def close(self) -> None:
        del self._evaluator
