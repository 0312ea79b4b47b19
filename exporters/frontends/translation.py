"""Find the first operator of a PyTorch program that torch.onnx translated to something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from ...runtime.graph_session import evaluate

KEY = "edgeport.translation"  # of a graph's `meta`, which no file holds


@dataclass(frozen=True)
class Translation:
    """Which values of a graph are which of the program that it was translated from."""

    program: torch.export.ExportedProgram
    values: Mapping[ir.Value, str]  # value -> the program's node

    @classmethod
    def of(cls, program: torch.export.ExportedProgram, graph: ir.Graph) -> Translation:
        """Of a graph whose values still have the names of the program's nodes."""
        nodes = {node.name for node in program.graph.nodes if node.op == "call_function"}
        outputs = (out for node in graph for out in node.outputs)
        return cls(program, {value: value.name for value in outputs if value.name in nodes})


def first_difference(
    model: ir.Model, feed: Mapping[str, np.ndarray], differs: Callable[[np.ndarray, np.ndarray], bool]
) -> ir.Node | None:
    """The first node, in the graph's order, that gives another value than the program's; None where none is known."""
    translation: Translation | None = model.meta.get(KEY)
    if translation is None:
        return None
    wanted = [value for node in model.graph for value in node.outputs if value in translation.values]
    given = evaluate(model, [value.name or "" for value in wanted], feed)
    kept = _Recorder(translation.program, {translation.values[value] for value in wanted})
    expected = kept.record(feed[value.name or ""] for value in model.graph.inputs)
    for value in wanted:
        reference = expected.get(translation.values[value])
        if reference is not None and differs(reference, given[value.name or ""]):
            return value.producer()
    return None


class _Recorder(torch.fx.Interpreter):
    """Runs a program and keeps the tensors of some of its nodes."""

    def __init__(self, program: torch.export.ExportedProgram, names: set[str]) -> None:
        super().__init__(program.module())
        self._names, self._kept = names, dict[str, np.ndarray]()

    def record(self, inputs: Any) -> dict[str, np.ndarray]:
        with torch.no_grad():
            self.run(*(torch.from_numpy(np.array(array)) for array in inputs))
        return self._kept

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        if n.name in self._names and isinstance(result, torch.Tensor):
            self._kept[n.name] = result.detach().numpy().copy()
        return result
