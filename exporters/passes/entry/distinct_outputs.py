"""an output that is an input, a constant, or another output -> Identity(it), under a name of its own

So every output is computed, and is one output only: formats and runtimes know their outputs by name. Leaves every other
output alone.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.edit import name_of


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    taken = {value.name for value in (*graph.inputs, *graph.initializers.values())}
    taken |= {value.name for node in graph for value in node.outputs}
    for position, value in enumerate(graph.outputs):
        is_fixed = value.is_graph_input() or value.is_initializer()
        if not is_fixed and value not in graph.outputs[:position]:
            continue
        copy = ir.node("Identity", [value])
        (out,) = copy.outputs
        out.name, out.shape, out.type = _unique(f"{name_of(value)}_out", taken), value.shape, value.type
        graph.append(copy)
        graph.outputs[position] = out
        count += 1
    return count


def _unique(name: str, taken: set[str | None]) -> str:
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    taken.add(chosen)
    return chosen
