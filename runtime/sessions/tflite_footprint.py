"""Find what a .tflite needs on a microcontroller: its arena by the runtime's own record, or as an estimate."""

from bisect import insort
from collections.abc import Mapping
from pathlib import Path

from ...artifacts.check import recorded_artifact
from ...artifacts.files import read_regular
from ..footprint import Footprint
from .tflite_graph import FileGraph, read_graph
from .tflite_micro import RUNTIME, STEP, NotAllocated, find_arena, is_installed, runtime_version
from .tflite_ports import LARGEST

INTEGERS = ("int8", "uint8", "int16", "int32")
# What the interpreter keeps for each operator, tensor and output channel, in bytes: a little more than tflite-micro
# 0.dev20261023182759 takes in a 64-bit process (tests/runtime/test_tflite_micro.py compares a few small networks)
PER_OPERATOR, PER_TENSOR, PER_CHANNEL, FIXED = 120, 76, 9, 1024
MOST_PLANNED = 4096  # tensors; of more the activations are added up


def measure_footprint(path: Path, known: Mapping[str, str]) -> Footprint:
    """What the file needs; `known` are the runtime's operators, with what registers each. Raises ArtifactError."""
    graph = read_graph(path)
    counted = graph.count()
    if problem := find_problem(graph, known):
        return Footprint(runtime=RUNTIME, problem=problem)
    arena, source = estimate_arena(graph), "an estimate: tflite-micro, which would find it, is not installed"
    if recorded_artifact(path) is None:
        source = "an estimate: native code runs no file of strangers here"
    elif is_installed():
        try:
            arena, source = find_arena(read_regular(path, LARGEST)), f"found by {runtime_version()}"
        except NotAllocated as e:
            return Footprint(runtime=RUNTIME, problem=str(e))
    return Footprint(
        runtime=RUNTIME,
        operators=counted,
        calls=tuple(known[name] for name in counted),
        arena_bytes=arena,
        arena_source=source,
        flash_bytes=graph.size_bytes,
        inputs=tuple(q for place in graph.inputs if (q := graph.tensors[place].quantization)),
        outputs=tuple(q for place in graph.outputs if (q := graph.tensors[place].quantization)),
    )


def find_problem(graph: FileGraph, known: Mapping[str, str]) -> str:
    """Why a file is none for a microcontroller; "" where it is one."""
    real = [tensor for tensor in graph.computed() if tensor.dtype not in INTEGERS]
    if real:
        return f"it computes in {real[0].dtype} (at '{real[0].name}')"
    for operator in graph.operators:
        result = graph.tensors[operator.outputs[0]]
        if operator.name not in known:
            return f"{RUNTIME} has no {operator.name} (at '{result.name}')"
        if operator.name == "FULLY_CONNECTED" and graph.tensors[operator.inputs[1]].scales > 1:
            return f"older releases of {RUNTIME} take one scale for all channels of a FULLY_CONNECTED ('{result.name}')"
        if operator.name == "RELU6" and graph.tensors[operator.inputs[0]].quantization != result.quantization:
            return f"{RUNTIME} does not change the scale in a RELU6, as it has to at '{result.name}'"
    return ""


def estimate_arena(graph: FileGraph) -> int:
    """Bytes of the arena: what the planner makes of the activations' lifetimes, and what is kept for each operator."""
    weights = [
        graph.tensors[place]
        for each in graph.operators
        for place in each.inputs[1:2]
        if place >= 0 and graph.tensors[place].dtype == "int8"
    ]
    channels = sum(tensor.scales for tensor in weights if tensor.constant)
    transposed = sum(
        graph.tensors[each.inputs[1]].size_bytes for each in graph.operators if each.name == "BATCH_MATMUL"
    )
    kept = FIXED + PER_OPERATOR * len(graph.operators) + PER_TENSOR * len(graph.tensors) + PER_CHANNEL * channels
    return _aligned(plan_activations(graph) + kept + transposed)


def plan_activations(graph: FileGraph) -> int:
    """The bytes that all activations take together, each placed where nothing else lives while it does; largest first,
    as the runtime's greedy planner does it."""
    first = dict.fromkeys(graph.inputs, -1)
    last = dict.fromkeys(graph.outputs, len(graph.operators))
    for i, operator in enumerate(graph.operators):
        for place in operator.outputs:
            first.setdefault(place, i)
        for place in (*operator.inputs, *operator.outputs):
            last[place] = max(last.get(place, 0), i)
    alive = [place for place in first if place >= 0 and not graph.tensors[place].constant]
    if len(alive) > MOST_PLANNED:
        return sum(_aligned(graph.tensors[place].size_bytes) for place in alive)
    placed: list[tuple[int, int, int]] = []  # (offset, end, tensor)
    for place in sorted(alive, key=lambda place: -graph.tensors[place].size_bytes):
        size, offset = _aligned(graph.tensors[place].size_bytes), 0
        for start, end, other in placed:
            together = first[place] <= last[other] and first[other] <= last[place]
            if together and start < offset + size and offset < end:
                offset = end
        insort(placed, (offset, offset + size, place))
    return max((end for _, end, _ in placed), default=0)


def _aligned(size: int) -> int:
    return -(-size // STEP) * STEP
