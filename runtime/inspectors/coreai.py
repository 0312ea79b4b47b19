"""Look into an .aimodel: each operation's location is the name of its value, and a copy gives more of them."""

import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from ...graph.qparams import QParams
from ..sessions.coreai import CoreAISession
from ..sessions.coreai_program import METADATA, Operation, Value, read_program, save_with_outputs

_LAYERS = {  # operation -> its weight's dimensions with the output channel first
    "conv2d": (0, 1, 2, 3),
    "conv_transpose2d": (1, 0, 2, 3),
    "broadcasting_batch_matmul": (1, 0),
}
_EXTRA = "edgeport:"  # how the copy's further outputs are called


class CoreAIInspector:
    """An .aimodel of ours. Raises ArtifactError and RuntimeUnavailable, as CoreAISession."""

    def __init__(self, path: Path):
        session = CoreAISession(path)
        self.inputs = session.inputs
        session.close()
        self._path, program = path, read_program(path)
        self._outputs = {value.key: name for name, value in program.outputs}
        self._holding = {name: value.key for name, value in program.inputs}  # value -> what holds it
        self._copy: tuple[tuple[str, ...], CoreAISession] | None = None
        self.encodings: dict[str, QParams] = {}
        self.integer: set[str] = set()
        self.biases: dict[str, np.ndarray] = {}  # all are float
        stored: dict[str, int] = {}  # value of a layer -> what dequantises its weight
        orders: dict[str, tuple[int, ...]] = {}
        made_by = {value.key: each for each in program.operations for value in each.results}
        for operation in program.operations:
            self._read(operation)
            weight = _int8_weight(operation, made_by)
            if weight is not None:
                self.integer.add(operation.name)
                stored[operation.name], orders[operation.name] = weight.key, _LAYERS[operation.kind]
        self._holding |= {name: value.key for name, value in program.outputs}
        blank = {spec.name: np.zeros([size or 1 for size in spec.shape], np.float32) for spec in self.inputs}
        self.weights = {name: array.transpose(orders[name]) for name, array in self._run(blank, stored).items()}

    def _read(self, operation: Operation) -> None:
        if operation.kind == "quantize":
            value = operation.name.removesuffix("_q")
            scale, zero_point = (operand.constant for operand in operation.operands[1:3])
            if scale is not None and zero_point is not None and scale.size == 1:
                self.encodings[value] = QParams((float(scale),), int(zero_point), dtype=zero_point.dtype.name)
        elif operation.kind != "dequantize":
            self._holding[operation.name] = operation.results[0].key  # of several, the last
        elif not operation.operands[0].is_constant:
            self._holding[operation.name.removesuffix("_dq")] = operation.results[0].key

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        wanted = {name: self._holding[name] for name in names if name in self._holding}
        return self._run(dict(zip((spec.name for spec in self.inputs), feeds.values(), strict=True)), wanted)

    def _run(self, feeds: Mapping[str, np.ndarray], wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
        """The values of those keys, by the names that ask for them."""
        if not wanted:
            return {}
        if self._copy is None or self._copy[0] != tuple(wanted):
            self.close()
            self._copy = tuple(wanted), self._session(set(wanted.values()))
        results = self._copy[1].run(feeds)
        return {name: results[self._outputs.get(key, f"{_EXTRA}{key}")] for name, key in wanted.items()}

    def _session(self, keys: set[int]) -> CoreAISession:
        """A session on a copy that gives these values, too."""
        program = read_program(self._path)
        values = {value.key: value for each in program.operations for value in each.results}
        values |= {value.key: value for _, value in program.inputs}
        extra = {f"{_EXTRA}{key}": values[key] for key in sorted(keys - self._outputs.keys())}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"copy{self._path.suffix}")
            save_with_outputs(program, extra, path)
            shutil.copyfile(self._path / METADATA, path / METADATA)
            return CoreAISession(path)

    def close(self) -> None:
        if self._copy is not None:
            self._copy[1].close()
            self._copy = None


def _int8_weight(operation: Operation, made_by: Mapping[int, Operation]) -> Value | None:
    """The real numbers of a layer's int8 weight, None of anything else."""
    if operation.kind not in _LAYERS:
        return None
    weight = made_by.get(operation.operands[1].key)
    if weight is not None and weight.kind == "cast":
        weight = made_by.get(weight.operands[0].key)
    if weight is None or weight.kind != "dequantize" or not weight.operands[0].is_constant:
        return None
    return weight.results[0]
