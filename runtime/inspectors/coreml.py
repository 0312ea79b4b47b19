"""Look into a .mlpackage: our runner of ML programs returns any of its values.

The file knows identifiers only, and an operation is called after the value and itself: `stem_conv_conv`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...graph.qparams import QParams
from ..mil.package import read_package
from ..mil.program import Operation
from ..mil.table import OPS
from ..sessions.coreml import CoreMLSession
from .inspector import real

_LAYERS = {  # operation -> its weight's dimensions with the output channel first
    "conv": (0, 1, 2, 3),
    "conv_transpose": (1, 0, 2, 3),
    "linear": (0, 1),
}
_HALF = "_cast_fp16"  # what coremltools appends to the names of what it puts into float16


class Identified(dict[str, Any]):
    """A mapping that is asked with the graph's names and holds identifiers."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(identifier(str(name)))

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(identifier(name))

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(identifier(name), default)


def identifier(name: str) -> str:
    """What a name of the graph is in the file."""
    name = re.sub("[^a-zA-Z0-9_]", "_", name)
    return f"var_{name}" if name[0].isdigit() else name  # as coremltools has it


class CoreMLInspector:
    """A .mlpackage of ours, on any machine. Raises ArtifactError."""

    def __init__(self, path: Path):
        session = CoreMLSession(path, backend="mil")
        self.inputs = session.inputs
        session.close()
        self._program = read_package(path)
        self._made_by = {name: operation for operation in self._program.operations for name, _ in operation.outputs}
        self._outputs = {feature.name for feature in self._program.outputs}
        self._images = {feature.name: feature.colour for feature in self._program.inputs if feature.kind == "image"}
        self._holding = Identified()  # value -> the file's name of it
        self.encodings: Identified = Identified()
        self.integer: Identified = Identified()
        self.weights: Identified = Identified()
        self.biases: Identified = Identified()
        for operation in self._program.operations:
            self._read(operation)
        self._holding.update({name: name for name in self._outputs})
        self._interpreter: Any = None
        self._asked: tuple[str, ...] = ()

    def _read(self, operation: Operation) -> None:
        called = operation.outputs[0][0].removesuffix(_HALF)
        kinds = sorted((kind for kind in OPS if called.endswith(f"_{kind}")), key=len)
        if not kinds:
            return
        value = self._unrenamed(called.removesuffix(f"_{kinds[-1]}"))
        if operation.type == "quantize":
            value = value.removesuffix("_q")
            zero_point = self._constant(operation, "zero_point")
            scale = float(np.squeeze(self._constant(operation, "scale")))
            self.encodings[value] = QParams((scale,), int(zero_point) if zero_point is not None else 0)
            return
        self._holding[value.removesuffix("_dq")] = operation.outputs[0][0]  # of several, the last
        weight = self._layer_weight(operation)
        if weight is not None:
            self.integer[value] = True
            self.weights[value] = weight
            bias = self._constant(operation, "bias")
            if bias is not None:
                self.biases[value] = np.asarray(bias, np.float32)

    def _unrenamed(self, value: str) -> str:
        """The graph's name: what becomes an output when it is rounded is called `<output>_float` before."""
        output = value.removesuffix("_float")
        return output if output in self._outputs else value

    def _layer_weight(self, operation: Operation) -> np.ndarray | None:
        """What a layer's int8 weight stands for; None of anything else."""
        if operation.type not in _LAYERS:
            return None
        stored = self._made_by.get(operation.inputs["weight"][0].name)
        if stored is None or stored.type != "constexpr_affine_dequantize":
            return None
        integers, scales, zero_points, axis = (
            np.asarray(self._constant(stored, key)) for key in ("quantized_data", "scale", "zero_point", "axis")
        )
        return real(integers, scales, zero_points, int(axis)).transpose(_LAYERS[operation.type])

    def _constant(self, operation: Operation, parameter: str) -> Any:
        """The literal that a parameter is, at once or through const; None where there is none."""
        if parameter not in operation.inputs:
            return None
        (operand,) = operation.inputs[parameter]
        made = self._made_by.get(operand.name) if operand.name else None
        return operand.literal if made is None else self._constant(made, "val")

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        import torch

        from ..mil.interpreter import Interpreter

        wanted = {name: self._holding[name] for name in names if name in self._holding}
        if self._interpreter is None or self._asked != tuple(wanted):
            program = replace(self._program, results=tuple(dict.fromkeys(wanted.values())))
            self._interpreter, self._asked = Interpreter(program), tuple(wanted)
        arguments = {
            name: torch.from_numpy(self._as_given(name, array))
            for name, array in zip((spec.name for spec in self.inputs), feeds.values(), strict=True)
        }
        values = self._interpreter(arguments)
        return {name: values[held].numpy() for name, held in wanted.items() if hasattr(values[held], "numpy")}

    def _as_given(self, name: str, array: np.ndarray) -> np.ndarray:
        """An input as Core ML gives it to the program: an image in whole pixels, and in the order that it asks for."""
        if name not in self._images:
            return array
        pixels = np.rint(array)
        return pixels[:, ::-1].copy() if self._images[name] == "bgr" else pixels

    def close(self) -> None:
        self._interpreter = None
