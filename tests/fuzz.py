"""Tries the exporters on what nobody wrote: random small graphs of the dialect, and damaged ONNX files.

`python tests/fuzz.py --seconds N [--seed S]` goes on for N seconds and prints what it finds, each with the
seed that makes it again; test_fuzz.py runs a short fixed sample. A graph is right where every target gives what ONNX's
reference evaluator gives; a damaged file where it ends in one sentence, or in an artifact that loads.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from conformance import outputs_of
from conformance_page import TARGETS
from edgeport.artifacts.errors import ArtifactError, ExportError, InputShapeError, ModelFileError
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.onnx_file import from_onnx
from edgeport.targets.registry import get_target
from onnx.reference import ReferenceEvaluator

OPSET = 20
HERE = tuple(target for target in TARGETS if not get_target(target).missing())
LARGEST = 1e4  # numbers beyond it are not drawn on: float32 would be the judge, not the exporter
MOST = 400  # elements of a value
SLOW_S = 60


@dataclass(frozen=True)
class Drawn:
    """A value of a graph in the making. `exact`: no rounding is behind it, so no step at a border is chance."""

    name: str
    array: np.ndarray
    exact: bool


class Maker:
    """Draws a graph node by node, and evaluates as it goes."""

    most = MOST

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.values: list[Drawn] = []
        self.inputs: list[Drawn] = []
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs += self.draw_inputs()
        self.values += self.inputs
        for _ in range(self.random.integers(2, 8)):
            self.step()

    @property
    def steps(self) -> dict[str, Step]:
        return STEPS

    def draw_inputs(self) -> list[Drawn]:
        drawn = range(self.random.integers(1, 3))
        return [Drawn(f"x{i}", self.random.standard_normal(self.dims()).astype(np.float32), True) for i in drawn]

    def dims(self) -> list[int]:
        while True:
            dims = self.random.integers(1, 7, self.random.integers(1, 6)).tolist()
            if np.prod(dims) <= MOST:
                return dims

    def pick(self, *, exact: bool = False, rank: int = 0, kinds: str = "f") -> Drawn | None:
        """A value, the newer the likelier."""
        fitting = [v for v in self.values if v.array.dtype.kind in kinds and v.array.ndim >= rank]
        fitting = [v for v in fitting if v.exact or not exact]
        return fitting[-min(len(fitting), self.random.geometric(0.6))] if fitting else None

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def step(self) -> None:
        name = sorted(self.steps)[self.number(0, len(self.steps))]
        kept = len(self.constants)
        try:
            drawn = self.steps[name](self)
        except (ValueError, IndexError, AttributeError):  # a scalar has no axis to draw, or there is nothing to draw on
            drawn = None
        if drawn is None or any(o is None for o in drawn[1]):
            return
        op_type, operands, attributes, exact = drawn
        inputs = [operand.name if isinstance(operand, Drawn) else operand for operand in operands]
        count = 2 if op_type == "TopK" else 1
        outputs = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        node = onnx.helper.make_node(op_type, inputs, outputs, **attributes)
        known = {o.name: o.array for o in operands if isinstance(o, Drawn)}
        known |= {c.name: onnx.numpy_helper.to_array(c) for c in self.constants}
        try:
            arrays = evaluated(node, known)
        except Exception:  # the reference does not do it, either
            arrays = []
        if not arrays or any(
            a.size > self.most or not a.size or not np.isfinite(a).all() or np.abs(a).max() > LARGEST for a in arrays
        ):
            del self.constants[kept:]
            return
        self.nodes.append(node)
        fine = exact and all(o.exact for o in operands if isinstance(o, Drawn))
        self.values += [Drawn(out, np.asarray(a), fine) for out, a in zip(outputs, arrays, strict=True)]

    def model(self) -> onnx.ModelProto:
        """The graph with its last two values as outputs."""
        made = [value for value in self.values if value not in self.inputs][-2:] or self.inputs[-1:]
        nodes = self.nodes
        if made[0] in self.inputs:
            nodes = [onnx.helper.make_node("Identity", [made[0].name], ["same"])]
            made = [Drawn("same", made[0].array, True)]
        graph = onnx.helper.make_graph(
            nodes, "fuzz", [_described(v) for v in self.inputs], [_described(v) for v in made], self.constants
        )
        self.expected = [value.array for value in made]
        opset = [onnx.helper.make_opsetid("", OPSET)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)


def _described(value: Drawn) -> onnx.ValueInfoProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(value.array.dtype)
    return onnx.helper.make_tensor_value_info(value.name, dtype, value.array.shape)


def evaluated(node: onnx.NodeProto, known: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The node's outputs by ONNX's reference evaluator."""
    empty = onnx.helper.make_empty_tensor_value_info
    graph = onnx.helper.make_graph([node], "node", [empty(n) for n in node.input], [empty(n) for n in node.output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    with np.errstate(all="ignore"):
        return [np.asarray(a) for a in ReferenceEvaluator(model).run(None, {n: known[n] for n in node.input})]


# -- steps: (op, operands, attributes, whether it rounds nothing), or None where nothing fits

Step = Callable[[Maker], tuple[str, list, dict, bool] | None]


def _unary(op_type: str, m: Maker, exact: bool = False):
    x = m.pick(exact=op_type in ("Floor", "Ceil", "Round", "Sign"))
    return x and (op_type, [x], {}, exact)


def _with_constant(op_type: str, m: Maker):
    x = m.pick()
    dims = [size if m.number(0, 2) else 1 for size in x.array.shape[m.number(0, x.array.ndim + 1) :]]
    numbers = m.random.uniform(0.5, 2, dims).astype(np.float32)
    operands = [x, m.constant(numbers)]
    return op_type, operands[::-1] if m.number(0, 4) == 0 else operands, {}, False


def _with_value(op_type: str, m: Maker):
    x, y = m.pick(), m.pick()
    try:
        np.broadcast_shapes(x.array.shape, y.array.shape)
    except ValueError:
        return None
    return op_type, [x, y], {}, op_type in ("Max", "Min")


def _transpose(m: Maker):
    x = m.pick(rank=1)
    return x and ("Transpose", [x], {"perm": m.random.permutation(x.array.ndim).tolist()}, True)


def _reshape(m: Maker):
    x = m.pick()
    rest, dims = x.array.size, []
    while rest > 1 and len(dims) < 4:
        choices = [d for d in range(2, rest + 1) if rest % d == 0]
        dims.append(choices[m.number(0, len(choices))])
        rest //= dims[-1]
    dims += [rest] if rest > 1 else []
    for _ in range(m.number(0, 2)):
        dims.insert(m.number(0, len(dims) + 1), 1)
    return "Reshape", [x, m.constant(np.array(dims or [1], np.int64))], {}, True


def _slice(m: Maker):
    x = m.pick()
    axis = m.number(0, x.array.ndim)
    size, step = x.array.shape[axis], (1, 1, 2, -1, -2)[m.number(0, 5)]
    start, end = sorted(m.random.integers(0, size + 1, 2).tolist())
    bounds = (start, end) if step > 0 else (end - 1, start - 1 - (start == 0) * (size + 1))
    return "Slice", [x, *(m.constant(np.array([v], np.int64)) for v in (*bounds, axis, step))], {}, True


def _concat(m: Maker):
    x = m.pick()
    axis = m.number(0, x.array.ndim)
    same = [v for v in m.values if v.array.dtype == x.array.dtype and v.array.ndim == x.array.ndim]
    fits = [v for v in same if np.delete(v.array.shape, axis).tolist() == np.delete(x.array.shape, axis).tolist()]
    return "Concat", [fits[m.number(0, len(fits))] for _ in range(m.number(1, 7))], {"axis": axis}, True


def _pad(m: Maker):
    x = m.pick()
    return "Pad", [x, m.constant(m.random.integers(0, 3, 2 * x.array.ndim))], {}, True


def _gather(m: Maker):
    x = m.pick()
    axis = m.number(0, x.array.ndim)
    indices = m.random.integers(-x.array.shape[axis], x.array.shape[axis], [[], [3], [2, 2]][m.number(0, 3)])
    return (
        "Gather",
        [x, m.constant(np.asarray(indices, np.int64))],
        {"axis": axis - m.number(0, 2) * x.array.ndim},
        True,
    )


def _gather_elements(m: Maker):
    x = m.pick()
    axis = m.number(0, x.array.ndim)
    dims = [m.number(1, 5) if i == axis else size for i, size in enumerate(x.array.shape)]
    return "GatherElements", [x, m.constant(m.random.integers(0, x.array.shape[axis], dims))], {"axis": axis}, True


def _scatter(m: Maker):
    x = m.pick()
    places = m.random.permutation(x.array.shape[0])[: m.number(1, x.array.shape[0] + 1)]
    updates = m.random.standard_normal((len(places), *x.array.shape[1:])).astype(np.float32)
    reduction = ("none", "add", "max")[m.number(0, 3)]
    operands = [x, m.constant(places[:, None]), m.constant(updates)]
    return "ScatterND", operands, {"reduction": reduction}, reduction != "add"


def _reduce(op_type: str, m: Maker):
    x = m.pick()
    count = m.number(1, x.array.ndim + 1)
    axes = m.random.permutation(x.array.ndim)[:count].astype(np.int64)
    axes = np.where(m.random.random(count) < 0.3, axes - x.array.ndim, axes)
    return op_type, [x, m.constant(axes)], {"keepdims": m.number(0, 2)}, op_type in ("ReduceMax", "ReduceMin")


def _arg(op_type: str, m: Maker):
    x = m.pick(exact=True)
    axis, keep, last = m.number(-x.array.ndim, x.array.ndim), m.number(0, 2), m.number(0, 2)
    return op_type, [x], {"axis": axis, "keepdims": keep, "select_last_index": last}, True


def _top_k(m: Maker):
    x = m.pick(exact=True)
    axis = m.number(0, x.array.ndim)
    k = m.constant(np.array([m.number(1, x.array.shape[axis] + 1)], np.int64))
    return "TopK", [x, k], {"axis": axis, "largest": m.number(0, 2)}, True


def _softmax(m: Maker):
    x = m.pick()
    return "Softmax", [x], {"axis": m.number(-x.array.ndim, x.array.ndim)}, False


def _layer_norm(m: Maker):
    x = m.pick()
    scale = m.random.uniform(0.5, 2, x.array.shape[-1]).astype(np.float32)
    return "LayerNormalization", [x, m.constant(scale), m.constant(scale - 1)], {"axis": -1, "epsilon": 0.01}, False


def _matmul(m: Maker):
    x = m.pick(rank=2)
    if x is None:
        return None
    w = m.random.standard_normal((x.array.shape[-1], m.number(1, 6))).astype(np.float32)
    return "MatMul", [x, m.constant(w)], {}, False


def _conv(m: Maker):
    x = m.pick(rank=4)
    if x is None or x.array.ndim != 4:
        return None
    depthwise, kernel = m.number(0, 2), [m.number(1, min(4, size + 1)) for size in x.array.shape[2:]]
    channels = x.array.shape[1]
    w = m.random.standard_normal((channels if depthwise else m.number(1, 6), 1 if depthwise else channels, *kernel))
    attributes = {
        "group": channels if depthwise else 1,
        "strides": [m.number(1, 3), m.number(1, 3)],
        "pads": m.random.integers(0, 2, 4).tolist(),
    }
    return "Conv", [x, m.constant(w.astype(np.float32))], attributes, False


def _compare(op_type: str, m: Maker):
    x = m.pick(exact=True)
    return op_type, [x, m.constant(np.float32(m.random.normal()))], {}, True


def _where(m: Maker):
    condition, x = m.pick(kinds="b"), m.pick()
    if condition is None:
        return None
    try:
        np.broadcast_shapes(condition.array.shape, x.array.shape)
    except ValueError:
        return None
    return "Where", [condition, x, m.constant(np.float32(m.random.normal()))], {}, True


def _cast(m: Maker):
    x = m.pick(kinds="bi", exact=True)
    return x and ("Cast", [x], {"to": onnx.TensorProto.FLOAT}, True)


def _clip(m: Maker):
    bounds = [m.constant(np.float32(bound)) for bound in sorted(m.random.normal(size=2))]
    return "Clip", [m.pick(), *bounds], {}, True


def _cum_sum(m: Maker):
    x = m.pick()
    axis = m.constant(np.array(m.number(-x.array.ndim, x.array.ndim)))
    return "CumSum", [x, axis], {"exclusive": m.number(0, 2), "reverse": m.number(0, 2)}, False


def _tile(m: Maker):
    x = m.pick()
    return "Tile", [x, m.constant(m.random.integers(1, 3, x.array.ndim))], {}, True


def _expand(m: Maker):
    x = m.pick()
    dims = [m.number(1, 7) if size == 1 else size for size in x.array.shape]
    return "Expand", [x, m.constant(np.array(dims, np.int64))], {}, True


def _trilu(m: Maker):
    x = m.pick(rank=2)
    return x and ("Trilu", [x, m.constant(np.array(m.number(-2, 3)))], {"upper": m.number(0, 2)}, True)


def _einsum(m: Maker):
    x = m.pick(rank=2)
    if x is None:
        return None
    w = m.random.standard_normal((m.number(1, 5), x.array.shape[-2])).astype(np.float32)
    return "Einsum", [x, m.constant(w)], {"equation": ("...ij,ki->...kj", "...ij,ki->...jk")[m.number(0, 2)]}, False


STEPS: dict[str, Step] = {
    **{op: functools.partial(_unary, op) for op in ("Sigmoid", "Tanh", "Exp", "Erf", "Sin", "Cos", "Atan", "Gelu")},
    **{
        op: functools.partial(_unary, op, exact=True) for op in ("Relu", "Abs", "Neg", "Floor", "Ceil", "Round", "Sign")
    },
    **{f"{op} constant": functools.partial(_with_constant, op) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")},
    **{f"{op} value": functools.partial(_with_value, op) for op in ("Add", "Sub", "Mul", "Max", "Min")},
    **{f"Reduce{op}": functools.partial(_reduce, f"Reduce{op}") for op in ("Max", "Min", "Sum", "Mean", "L1", "Prod")},
    **{op: functools.partial(_arg, op) for op in ("ArgMax", "ArgMin")},
    **{op: functools.partial(_compare, op) for op in ("Greater", "LessOrEqual")},
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Slice": _slice,
    "Concat": _concat,
    "Pad": _pad,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "ScatterND": _scatter,
    "TopK": _top_k,
    "Softmax": _softmax,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Conv": _conv,
    "Where": _where,
    "Cast": _cast,
    "Clip": _clip,
    "CumSum": _cum_sum,
    "Tile": _tile,
    "Expand": _expand,
    "Trilu": _trilu,
    "Einsum": _einsum,
}


# -- the two tries


def graph_trouble(seed: int, targets: tuple[str, ...] = HERE) -> str | None:
    """What is wrong with how the graph of a seed is exported, or None. A refusal in one sentence is not wrong."""
    maker = Maker(seed)
    proto = maker.model()
    feeds = {value.name: value.array for value in maker.inputs}
    for target in targets:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                results = outputs_of(canonicalize(ir.from_proto(proto)), feeds, target, Path(folder))
            except ExportError as e:
                if "\n" in str(e):
                    return f"{target}: not one sentence: {e}"
                continue
            except Exception as e:
                return f"{target}: {type(e).__name__}: {str(e)[:300]}"
        if time.perf_counter() - start > SLOW_S:
            return f"{target}: took more than {SLOW_S} s"
        for got, want in zip(results, maker.expected, strict=True):
            scale = max(1.0, float(np.abs(want).max()))
            if got.size != want.size or not np.allclose(
                got.reshape(want.shape).astype(np.float64), want, rtol=0, atol=2e-4 * scale
            ):
                return f"{target}: other numbers than ONNX's reference"
    return None


def damaged(seed: int) -> bytes:
    """The file of a drawn graph with some bytes changed, cut off or doubled, or a part of its structure."""
    random = np.random.default_rng(seed)
    proto = Maker(seed).model()
    if seed % 2:
        content = bytearray(proto.SerializeToString())
        for _ in range(random.integers(1, 6)):
            place = int(random.integers(len(content)))
            kind = random.integers(4)
            if kind == 0:
                content[place] = random.integers(256)
            elif kind == 1:
                content[place] ^= 1 << random.integers(8)
            elif kind == 2:
                del content[place : place + random.integers(1, 9)]
            else:
                content[place:place] = content[place : place + 8]
            if not content:
                break
        return bytes(content)
    for _ in range(random.integers(1, 3)):
        STRUCTURE[random.integers(len(STRUCTURE))](proto.graph, random)
    return proto.SerializeToString()


def _any(random: np.random.Generator, items):
    return items[random.integers(len(items))] if len(items) else None


def _drop_node(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    if len(graph.node):
        del graph.node[random.integers(len(graph.node))]


def _rename_operator(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    if node := _any(random, graph.node):
        node.op_type = _any(random, ["Relu", "Add", "Concat", "Nothing", "", "NonZero", "Conv", "If"])


def _rewire(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    names = [v.name for v in graph.input] + [o for n in graph.node for o in n.output] + ["", "nobody"]
    if (node := _any(random, graph.node)) and len(node.input):
        node.input[random.integers(len(node.input))] = _any(random, names)


def _change_attribute(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    if (node := _any(random, graph.node)) and (attribute := _any(random, node.attribute)):
        attribute.i = int(random.choice([-7, 0, 2**40, 99]))
        attribute.ints.extend([int(random.integers(-9, 9))] * int(random.integers(2)))


def _change_input(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    value = _any(random, graph.input)
    if random.integers(2):
        value.type.tensor_type.elem_type = int(random.integers(0, 20))
    elif dim := _any(random, value.type.tensor_type.shape.dim):
        dim.dim_value = int(random.choice([-1, 0, 7, 2**40]))


def _change_constant(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    if tensor := _any(random, graph.initializer):
        kind = random.integers(3)
        if kind == 0:
            tensor.data_type = int(random.integers(0, 20))
        elif kind == 1:
            tensor.dims.append(int(random.choice([0, 2, -1])))
        else:
            tensor.raw_data = tensor.raw_data[: random.integers(len(tensor.raw_data) + 1)]


STRUCTURE = (_drop_node, _rename_operator, _rewire, _change_attribute, _change_input, _change_constant)


def file_trouble(seed: int, target: str = "tflite") -> str | None:
    """What is wrong with how a damaged file is read and exported, or None."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.onnx"
        path.write_bytes(damaged(seed))
        try:
            model = canonicalize(from_onnx(path, {}))
            feeds = {v.name: np.ones(list(v.shape), v.dtype.numpy()) for v in model.graph.inputs}
            outputs_of(model, feeds, target, Path(folder))
        except (ExportError, ModelFileError, InputShapeError, ArtifactError) as e:
            if "\n" in str(e):
                return f"not one sentence: {e}"
        except Exception as e:
            return f"{type(e).__name__}: {str(e)[:300]}"
    return f"took more than {SLOW_S} s" if time.perf_counter() - start > SLOW_S else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("graphs", "files"))
    arguments = parser.parse_args()
    end, seed, found = time.monotonic() + arguments.seconds, arguments.seed, 0
    while time.monotonic() < end:
        for kind, trouble in (("graphs", graph_trouble), ("files", file_trouble)):
            what = trouble(seed) if arguments.only in (None, kind) else None
            if what is not None:
                found += 1
                print(f"{kind} {seed}: {what}", flush=True)
        seed += 1
    print(f"{seed - arguments.seed} seeds, {found} troubles")


if __name__ == "__main__":
    main()
