"""Tries the whole of `edgeport.export` on random small networks of images, as nobody wrote them.

Convolutions, pools, pads and resizes with all that their attributes allow; outputs given twice, inputs that are given
back or that nothing reads, whole numbers as inputs. `python tests/fuzz_images.py --seconds N [--seed S]` goes on for N
seconds. A float artifact is right where it gives what ONNX's reference evaluator or ONNX Runtime without optimisation
gives; an int8 one where it is made, loads and gives numbers; a refusal where it is one sentence.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import edgeport
import numpy as np
import onnx
from edgeport.artifacts.errors import EdgeportError, ImportFault
from edgeport.runtime.graph_session import open_graph
from fuzz import OPSET, SLOW_S, Drawn, Maker

TARGETS = tuple(edgeport.list_targets())
CLOSE = 2e-4  # of the largest value
MOST = 3000  # elements of a value
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
PLACES = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")


class ImageMaker(Maker):
    """Draws a network of images."""

    most = MOST

    def draw_inputs(self) -> list[Drawn]:
        image = self.random.standard_normal((1, self.number(1, 5), self.number(5, 12), self.number(5, 12)))
        inputs = [Drawn("x0", image.astype(np.float32), True)]
        if self.number(0, 4) == 0:
            shape = (1, *inputs[0].array.shape[1:])
            kind = (np.float32, np.uint8, np.int32, np.int64)[self.number(0, 4)]
            inputs.append(Drawn("x1", self.random.integers(0, 9, shape).astype(kind), True))
        return inputs

    @property
    def steps(self) -> dict[str, Callable]:
        return STEPS

    def model(self) -> onnx.ModelProto:
        made = [value for value in self.values if value not in self.inputs]
        given = made[-2:] if self.number(0, 3) == 0 else made[-1:]
        given = given or self.inputs[:1]
        if self.number(0, 4) == 0:
            given = [*given, given[-1]]  # twice
        if self.number(0, 6) == 0:
            given = [*given, self.inputs[0]]  # an input given back
        nodes, outputs = list(self.nodes), []
        for i, value in enumerate(given):
            nodes.append(onnx.helper.make_node("Identity", [value.name], [f"y{i}"]))
            outputs.append(Drawn(f"y{i}", value.array, value.exact))
        self.expected = [value.array for value in outputs]
        described = [
            [onnx.helper.make_tensor_value_info(v.name, _type(v), v.array.shape) for v in values]
            for values in (self.inputs, outputs)
        ]
        graph = onnx.helper.make_graph(nodes, "images", *described, self.constants)
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)


def _type(value: Drawn) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(value.array.dtype)


def image(m: Maker) -> Drawn | None:
    """A value with four axes."""
    fitting = [v for v in m.values if v.array.ndim == 4 and v.array.dtype == np.float32]
    return fitting[-min(len(fitting), m.random.geometric(0.6))] if fitting else None


def window(m: Maker, x: Drawn, *, most: int = 4) -> dict:
    """kernel_shape, strides and pads of a window that fits."""
    kernel = [m.number(1, min(most, size) + 1) for size in x.array.shape[2:]]
    pads = [m.number(0, k) for k in kernel * 2]
    return {"kernel_shape": kernel, "strides": [m.number(1, 4), m.number(1, 4)], "pads": pads}


def _max_pool(m: Maker):
    x = image(m)
    attributes = window(m, x) | {"ceil_mode": m.number(0, 2)}
    if m.number(0, 3) == 0:
        attributes["dilations"] = [m.number(1, 3), m.number(1, 3)]
    return "MaxPool", [x], attributes, x.exact


def _average_pool(m: Maker):
    x = image(m)
    attributes = window(m, x) | {"ceil_mode": m.number(0, 2), "count_include_pad": m.number(0, 2)}
    return "AveragePool", [x], attributes, False


def _conv(m: Maker):
    x, channels = image(m), 0
    channels = x.array.shape[1]
    group = channels if m.number(0, 3) == 0 else 1
    out = channels * m.number(1, 3) if group > 1 else m.number(1, 6)
    attributes = window(m, x) | {"group": group, "dilations": [1, 1]}
    shape = (out, channels // group, *attributes["kernel_shape"])
    w = m.random.standard_normal(shape).astype(np.float32)
    return "Conv", [x, m.constant(w), m.constant(m.random.standard_normal(out).astype(np.float32))], attributes, False


def _conv_transpose(m: Maker):
    x = image(m)
    kernel, strides = [m.number(1, 4), m.number(1, 4)], [m.number(1, 3), m.number(1, 3)]
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": [m.number(0, k) for k in kernel * 2]}
    w = m.random.standard_normal((x.array.shape[1], m.number(1, 4), *kernel)).astype(np.float32)
    return "ConvTranspose", [x, m.constant(w)], attributes, False


def _pad(m: Maker):
    x = image(m)
    mode = ("constant", "constant", "reflect", "edge", "wrap")[m.number(0, 5)]
    low = -1 if mode == "constant" else 0
    amounts = [0, 0, m.number(low, 4), m.number(low, 4), 0, 0, m.number(low, 4), m.number(low, 4)]
    operands = [x, m.constant(np.array(amounts, np.int64))]
    if mode == "constant" and m.number(0, 2):
        operands.append(m.constant(np.float32(m.random.choice([0, 1.5, -2]))))
    return "Pad", operands, {"mode": mode}, x.exact


def _resize(m: Maker):
    x = image(m)
    mode = ("nearest", "linear", "cubic")[m.number(0, 3)]
    attributes = {"mode": mode, "coordinate_transformation_mode": PLACES[m.number(0, len(PLACES))]}
    if mode == "nearest":
        attributes["nearest_mode"] = ROUNDINGS[m.number(0, 4)]
    elif m.number(0, 3) == 0:
        attributes["antialias"] = 1
    sizes = [*x.array.shape[:2], m.number(1, 17), m.number(1, 17)]
    return "Resize", [x, "", "", m.constant(np.array(sizes, np.int64))], attributes, x.exact and mode == "nearest"


def _activation(m: Maker):
    x = image(m)
    op = ("Relu", "Sigmoid", "Tanh", "HardSwish", "Elu", "LeakyRelu", "Softplus", "Gelu", "Abs")[m.number(0, 9)]
    return op, [x], {}, x.exact and op in ("Relu", "Abs")


def _batch_norm(m: Maker):
    x = image(m)
    numbers = [m.random.uniform(0.5, 2, x.array.shape[1]).astype(np.float32) for _ in range(4)]
    return "BatchNormalization", [x, *map(m.constant, numbers)], {}, False


def _global(m: Maker):
    x = image(m)
    op = ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")[m.number(0, 3)]
    if op == "ReduceMean":
        return op, [x, m.constant(np.array([2, 3]))], {"keepdims": m.number(0, 2)}, False
    return op, [x], {}, False


def _with_value(m: Maker):
    x, y = image(m), image(m)
    try:
        np.broadcast_shapes(x.array.shape, y.array.shape)
    except ValueError:
        return None
    return ("Add", "Mul", "Sub", "Max")[m.number(0, 4)], [x, y], {}, False


def _concat(m: Maker):
    x = image(m)
    fits = [v for v in m.values if v.array.ndim == 4 and v.array.dtype == np.float32]
    fits = [v for v in fits if v.array.shape[2:] == x.array.shape[2:] and v.array.shape[0] == x.array.shape[0]]
    return "Concat", [fits[m.number(0, len(fits))] for _ in range(m.number(1, 4))], {"axis": 1}, x.exact


def _slice(m: Maker):
    x, axis = image(m), m.number(1, 4)
    size = x.array.shape[axis]
    start, step = m.number(0, size), m.number(1, 3)
    return "Slice", [x, *(m.constant(np.array([v])) for v in (start, size, axis, step))], {}, x.exact


def _shuffle(m: Maker):
    x = image(m)
    return "Transpose", [x], {"perm": [0, *(1 + m.random.permutation(3)).tolist()]}, x.exact


def _depth(m: Maker):
    x, block = image(m), 2
    if m.number(0, 2):
        return "SpaceToDepth", [x], {"blocksize": block}, x.exact
    mode = ("DCR", "CRD")[m.number(0, 2)]
    return "DepthToSpace", [x], {"blocksize": block, "mode": mode}, x.exact


def _from_integers(m: Maker):
    whole = [v for v in m.values if v.array.dtype.kind in "iu"]
    return ("Cast", [whole[0]], {"to": onnx.TensorProto.FLOAT}, True) if whole else None


STEPS: dict[str, Callable] = {
    "max pool": _max_pool,
    "max pool again": _max_pool,
    "average pool": _average_pool,
    "average pool again": _average_pool,
    "conv": _conv,
    "conv again": _conv,
    "conv transpose": _conv_transpose,
    "pad": _pad,
    "pad again": _pad,
    "resize": _resize,
    "resize again": _resize,
    "activation": _activation,
    "batch norm": _batch_norm,
    "global": _global,
    "with value": _with_value,
    "concat": _concat,
    "slice": _slice,
    "shuffle": _shuffle,
    "depth": _depth,
    "from integers": _from_integers,
}


def export_trouble(seed: int, targets: tuple[str, ...] = TARGETS) -> str | None:
    """What is wrong with how the network of a seed is exported, or None."""
    maker = ImageMaker(seed)
    proto = maker.model()
    feeds = {value.name: value.array for value in maker.inputs}
    truths = [maker.expected, _plain(proto, feeds)]
    precision = "int8" if seed % 3 == 0 else "fp32"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            results = edgeport.export_all(
                *(proto, targets),
                precision=precision,
                output_dir=folder,
                benchmark=False,
                num_calibration_samples=3,
                num_validation_samples=2,
            )
        except EdgeportError as e:
            return _bad_sentence(e)
        except Exception as e:
            return f"{type(e).__name__}: {str(e)[:300]}"
        for result in results:
            trouble = _result_trouble(result, feeds, truths, precision)
            if trouble:
                return f"{result.target}: {trouble}"
    return f"took more than {SLOW_S} s" if time.perf_counter() - start > SLOW_S else None


def _result_trouble(result, feeds, truths, precision: str) -> str | None:
    if not hasattr(result, "path"):
        bug = result.error.startswith(f"{result.target}: a bug") or "\n" in result.error
        return result.error if bug else None
    outputs = _outputs(result.path, feeds)
    if not all(np.isfinite(array).all() for array in outputs):
        return "numbers that are not finite"
    if precision == "fp32" and not any(_close(outputs, truth) for truth in truths):
        return f"other numbers than both references ({result.verdict})"
    if precision == "fp32" and result.verdict.startswith("fail"):
        return f"right numbers, and the verdict {result.verdict}"
    return None


def _outputs(path: Path, feeds) -> list[np.ndarray]:
    session = edgeport.open_session(path)
    known = list(feeds.values())
    given = {s.name: feeds.get(s.name, known[i]) for i, s in enumerate(session.inputs)}
    results = session.run({name: array.astype(np.float32) for name, array in given.items()})
    return [results[spec.name] for spec in session.outputs]


def _close(outputs: list[np.ndarray], truth: list[np.ndarray]) -> bool:
    if len(outputs) != len(truth):
        return False
    for got, want in zip(outputs, truth, strict=True):
        scale = max(1.0, float(np.abs(want.astype(np.float64)).max(initial=0)))
        if got.size != want.size or not np.allclose(got.reshape(want.shape), want, rtol=0, atol=CLOSE * scale):
            return False
    return True


def _plain(proto: onnx.ModelProto, feeds) -> list[np.ndarray]:
    """What ONNX Runtime gives without optimisation; nothing where it refuses the network."""
    try:
        return list(open_graph(proto).run(None, feeds))
    except Exception:
        return []


def _bad_sentence(error: EdgeportError) -> str | None:
    """What is wrong with a refusal."""
    if isinstance(error, ImportFault):
        return str(error)
    return f"not one sentence: {error}" if "\n" in str(error) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end, seed, found = time.monotonic() + arguments.seconds, arguments.seed, 0
    while time.monotonic() < end:
        what = export_trouble(seed)
        if what is not None:
            found += 1
            print(f"{seed}: {what}", flush=True)
        seed += 1
    print(f"{seed - arguments.seed} networks, {found} troubles")


if __name__ == "__main__":
    main()
