"""SequenceAt(SplitToSequence(x)) -> Slice(x), with a Squeeze where each part lost its axis

Leaves an element alone whose place or whose parts' sizes are computed. For a graph as it comes, before its shapes are
known.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, producer, remove_dead, replace
from ..forms.constant_folding import number


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        split = producer(node.inputs[0], "SplitToSequence") if node.op_type == "SequenceAt" else None
        place = number(node.inputs[1]) if split is not None else None
        if split is None or place is None or place.size != 1 or place.item() < 0:
            continue
        ends = bounds(split, place.item())
        if ends is None:
            continue
        axis = attribute(split, "axis", 0)
        numbers = {"starts": ends[0], "ends": ends[1], "axes": axis}
        part = [constant(graph, np.array([n], np.int64), name) for name, n in numbers.items()]
        new = ir.node("Slice", [split.inputs[0], *part], metadata_props=node.metadata_props)
        added = [new]
        if len(split.inputs) < 2 and not attribute(split, "keepdims", 1):
            added.append(ir.node("Squeeze", [new.outputs[0], part[2]], metadata_props=node.metadata_props))
        graph.insert_before(node, added)
        out, old = added[-1].outputs[0], node.outputs[0]
        out.shape, out.type = old.shape, old.type
        replace(old, out)
        graph.remove(node, safe=True)
        count += 1
    if count:
        remove_dead(graph)
    return count


def bounds(split: ir.Node, place: int) -> tuple[int, int] | None:
    """Where the part begins and ends along the axis; None where that is computed."""
    if len(split.inputs) < 2:
        return place, place + 1
    sizes = number(split.inputs[1])
    if sizes is None:
        return None
    if sizes.ndim == 0:
        return place * int(sizes), (place + 1) * int(sizes)  # a Slice ends with the axis, as the last part does
    return int(sizes[:place].sum()), int(sizes[: place + 1].sum())
