"""Measure what a runtime makes of one operator between pairs of QuantizeLinear and DequantizeLinear.

`python -m benchmarks.kernel_probes` writes the results to targets/measured.py, which says what the kernel set of each
profile rests on; a test repeats them.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx_ir as ir
from edgeport.artifacts.errors import ArtifactError, ExportError
from edgeport.graph.dialect import OPSET
from edgeport.graph.edit import array, shape
from edgeport.graph.qparams import INT8
from edgeport.runtime.backends import onnxruntime
from edgeport.runtime.graph_session import open_graph, run
from edgeport.targets.probe_result import Measured
from edgeport.targets.registry import open_inspector, open_session, targets
from edgeport.targets.target import Profile, Recipe, Target

SCALES = {"a": 0.05, "b": 0.04, "y": 0.06}
ZEROS = {"a": 3, "b": -5, "y": 7}
SAME = {"y": (SCALES["a"], ZEROS["a"]), "b": (SCALES["a"], ZEROS["a"])}
FIXED = {"y": (1 / 256, -128)}
FIXED_INT16 = ("Sigmoid", "Tanh", "Softmax")  # whose int16 kernels give numbers from -1 to 1
SWEPT = (1e-5, 1e-4, 1e-3, 0.02, 1.0, 100.0)  # input scales
SWEPT_ZEROS = (-128, 3, 127)
IMAGE, ROWS = "float[1,8,6,6]", "float[1,6,8]"
WINDOW = "strides=[1,1], dilations=[1,1]"


@dataclass(frozen=True)
class Probe:
    """One operator: `body` computes y from a (and b); w and bias are its weights, of which w has the given shape."""

    kind: str  # as a kernel set calls the kernel
    body: str
    a: str = IMAGE
    b: str | None = None
    y: str = IMAGE
    weight: tuple[tuple[int, ...], int] | None = None  # shape, the output channel's axis
    constants: Mapping[str, np.ndarray | np.float32] | None = None
    parameters: Mapping[str, tuple[float, int]] | None = None  # instead of SCALES and ZEROS


def _conv(shape: tuple[int, ...], pad: int, group: int = 1) -> Probe:
    k = shape[-1]
    attributes = f"kernel_shape=[{k},{k}], pads=[{pad},{pad},{pad},{pad}], {WINDOW}, group={group}"
    return Probe("Conv", f"y = Conv<{attributes}>(a_dq, w_dq, bias)", weight=(shape, 0))


def _unary(kind: str, attributes: str = "", **more) -> Probe:
    return Probe(kind, f"y = {kind}{attributes}(a_dq)", **more)


def _two(kind: str, **more) -> Probe:
    return Probe(kind, f"y = {kind}(a_dq, b_dq)", b=IMAGE, **more)


def _pool(kind: str, more: str) -> Probe:
    body = f"y = {kind}<kernel_shape=[2,2], strides=[2,2], pads=[0,0,0,0], {more}>(a_dq)"
    return Probe(kind, body, y="float[1,8,3,3]", parameters=SAME)


_UP, _HALF = "float[1,8,12,12]", 'coordinate_transformation_mode="half_pixel", mode="linear", nearest_mode="floor"'

PROBES: dict[str, Probe] = {
    "convolution": _conv((8, 8, 3, 3), 1),
    "pointwise": _conv((8, 8, 1, 1), 0),
    "depthwise 3x3": _conv((8, 1, 3, 3), 1, 8),
    "depthwise 7x7": _conv((8, 1, 7, 7), 3, 8),
    "transposed convolution": Probe(
        "ConvTranspose",
        "y = ConvTranspose<kernel_shape=[2,2], strides=[2,2], pads=[0,0,0,0], output_padding=[0,0]>(a_dq, w_dq, bias)",
        y=_UP,
        weight=((8, 8, 2, 2), 1),
    ),
    "linear": Probe("Linear", "m = MatMul(a_dq, w_dq) y = Add(m, bias)", a=ROWS, y=ROWS, weight=((8, 8), 1)),
    "product of two, second symmetric": Probe(
        "MatMul", "y = MatMul(a_dq, b_dq)", a=ROWS, b="float[1,8,6]", y="float[1,6,6]", parameters={"b": (0.04, 0)}
    ),
    "product of two": Probe("MatMul", "y = MatMul(a_dq, b_dq)", a=ROWS, b="float[1,8,6]", y="float[1,6,6]"),
    "addition": _two("Add"),
    "subtraction": _two("Sub"),
    "multiplication": _two("Mul"),
    "division": _two("Div"),
    "maximum": _two("Max", parameters=SAME),
    "minimum": _two("Min", parameters=SAME),
    "relu": _unary("Relu"),
    "relu6": Probe("Clip", "y = Clip(a_dq, low, high)", constants={"low": np.float32(0), "high": np.float32(6)}),
    "sigmoid": _unary("Sigmoid", parameters=FIXED),
    "tanh": _unary("Tanh", parameters={"y": (1 / 128, 0)}),
    "softmax": _unary("Softmax", "<axis=2>", a=ROWS, y=ROWS, parameters=FIXED),
    "softmax of long rows": _unary("Softmax", "<axis=2>", a="float[1,6,400]", y="float[1,6,400]"),
    "hard-swish": _unary("HardSwish"),
    "gelu": _unary("Gelu", '<approximate="none">'),
    "leaky relu": _unary("LeakyRelu", "<alpha=0.01>"),
    "elu": _unary("Elu", "<alpha=1.0>"),
    "exp": _unary("Exp", parameters={"a": (0.02, 0), "y": (0.06, -128)}),
    "absolute": _unary("Abs", parameters={"y": (0.06, -128)}),
    "inverse root": Probe(
        "Pow",
        "y = Pow(a_dq, half)",
        constants={"half": np.float32(-0.5)},
        parameters={"a": (0.02, -128), "y": (0.03, -128)},
    ),
    "mean": Probe(
        "ReduceMean", "y = ReduceMean<keepdims=1>(a_dq, axes)", y="float[1,8,1,1]", constants={"axes": np.array([2, 3])}
    ),
    "largest": Probe(
        "ReduceMax",
        "y = ReduceMax<keepdims=1>(a_dq, axes)",
        y="float[1,8,1,1]",
        constants={"axes": np.array([2, 3])},
        parameters=SAME,
    ),
    "concatenation": Probe("Concat", "y = Concat<axis=1>(a_dq, b_dq)", b=IMAGE, y="float[1,16,6,6]", parameters=SAME),
    "slice": Probe(
        "Slice",
        "y = Slice(a_dq, starts, ends, axes, steps)",
        y="float[1,4,6,6]",
        constants={k: np.array([v]) for k, v in (("starts", 2), ("ends", 6), ("axes", 1), ("steps", 1))},
        parameters=SAME,
    ),
    "max pool": _pool("MaxPool", "dilations=[1,1]"),
    "average pool": _pool("AveragePool", "count_include_pad=0"),
    "bilinear resize": Probe(
        "Resize",
        f"y = Resize<{_HALF}>(a_dq, , , sizes)",
        y=_UP,
        constants={"sizes": np.array([1, 8, 12, 12])},
        parameters=SAME,
    ),
    "padding": Probe(
        "Pad",
        'y = Pad<mode="constant">(a_dq, pads, fill)',
        y="float[1,8,8,8]",
        constants={"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "fill": np.float32(0)},
        parameters=SAME,
    ),
}


def graph(probe: Probe, activations: str = "int8") -> ir.Model:
    """The probe as a canonical graph with inputs a (and b), which are on their grids, and output y_dq."""
    import onnx

    if activations == "int16":
        probe = _in_int16(probe)
    shift = -INT8[0] if activations == "uint8" else 0
    constants: dict[str, np.ndarray | np.float32] = dict(probe.constants or {})
    text = [probe.body]
    for name in ("a", *("b" * (probe.b is not None)), "y"):
        scale, zero = (probe.parameters or {}).get(name, (SCALES[name], ZEROS[name]))
        constants[f"{name}_scale"], constants[f"{name}_zero"] = (
            np.float32(scale),
            np.array(zero + shift, activations),
        )
        pair = "{0}_q = QuantizeLinear({0}, {0}_scale, {0}_zero) {0}_dq = DequantizeLinear({0}_q, {0}_scale, {0}_zero)"
        text.insert(len(text) if name == "y" else 0, pair.format(name))
    if probe.weight is not None:
        shape, axis = probe.weight
        rng = np.random.default_rng(0)
        scales = rng.uniform(0.002, 0.004, shape[axis]).astype(np.float32)
        constants["w"] = rng.integers(-127, 128, shape).astype(np.int8)
        constants["bias_q"] = rng.integers(-2000, 2000, shape[axis]).astype(np.int32)
        constants |= {"w_scale": scales, "w_zero": np.zeros(len(scales), np.int8)}
        constants |= {"bias_scale": scales * constants["a_scale"], "bias_zero": np.zeros(len(scales), np.int32)}
        text.insert(0, f"w_dq = DequantizeLinear<axis={axis}>(w, w_scale, w_zero)")
        text.insert(0, "bias = DequantizeLinear<axis=0>(bias_q, bias_scale, bias_zero)")
    inputs = f"{probe.a} a" + (f", {probe.b} b" if probe.b else "")
    proto = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {OPSET}]> g ({inputs}) => ({probe.y} y_dq) {{ {" ".join(text)} }}'
    )
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(c), n) for n, c in constants.items())
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True))
    for i, node in enumerate(model.graph):
        node.name = f"n{i}"
    return model


def _in_int16(probe: Probe) -> Probe:
    """The probe with steps that are as much finer as there are more of them, and with the zero point 0."""
    given = {name: (scale, ZEROS[name]) for name, scale in SCALES.items()} | dict(probe.parameters or {})
    parameters = {name: (scale / 256, 0) for name, (scale, _) in given.items()}
    if probe.kind in FIXED_INT16:
        parameters["y"] = (2.0**-15, 0)
    return replace(probe, parameters=parameters)


def _feeds(model: ir.Model) -> dict[str, np.ndarray]:
    """Random integers, as the numbers they stand for."""
    rng, feeds = np.random.default_rng(1), {}
    for value in model.graph.inputs:
        scale, zero = (array(model.graph.initializers[f"{value.name}_{part}"]) for part in ("scale", "zero"))
        low, high = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
        integers = rng.integers(low + 2, high, shape(value))
        if zero.dtype == np.int16 and any(node.op_type == "Pow" for node in model.graph):
            integers = np.abs(integers)  # RSQRT refuses others, which int8's zero point leaves out
        feeds[value.name or ""] = ((integers - int(zero)) * float(scale)).astype(np.float32)
    return feeds


@dataclass(frozen=True)
class Runtime:
    """What runs a target's artifacts here, and how one of them shows what became of its operator.

    Attributes:
        distribution: its Python package.
        is_integer: whether an integer kernel computes the operator of the artifact at a path.
        is_delegated: whether a delegate runs it, for profiles that have one; None where there is none.
    """

    distribution: str
    is_integer: Callable[[Path], bool]
    is_delegated: Callable[[Path], bool] | None = None


@dataclass(frozen=True)
class Device:
    """A profile of a target, and the runtime that it is measured in."""

    target: Target
    profile: Profile
    runtime: Runtime
    precision: str = "int8"

    @property
    def activations(self) -> str:
        """The type of what its kernels read and make."""
        return "int16" if self.precision == "int16x8" else self.profile.load_kernels().activations

    @property
    def version(self) -> str:
        """The installed runtime: distribution and version, and the kind of machine."""
        return f"{self.runtime.distribution} {version(self.runtime.distribution)}, {platform.machine()}"

    def write(self, model: ir.Model, path: Path) -> None:
        """The probe's artifact, with all that has an int8 form in int8; what a delegate takes of it is measured."""
        own = (self.profile,) if self.profile.integer_only else self.target.profiles
        whole = next((each for each in own if each.integer_only), self.profile)
        metadata = {"preprocess": None, "labels": None}
        self.target.write(
            model,
            path,
            Recipe(precision=self.precision, metadata=metadata, profile=whole, options=self.target.own_options({})),
        )


def sweep(device: Device, name: str) -> float | None:
    """The largest difference of one probe over scales and zero points of its input, in steps of the output."""
    worst = None
    for scale in SWEPT:
        for zero in SWEPT_ZEROS if device.precision == "int8" else (0,):
            probe = _with_input(PROBES[name], device, scale, zero)
            found = None if probe is None else _steps(device, probe)
            worst = found if worst is None else max(worst, found or 0.0)
    return None if worst is None else round(worst, 2)


def _with_input(probe: Probe, device: Device, scale: float, zero: int) -> Probe | None:
    """The probe with other parameters of its input, and those of its output to fit; None where it has no numbers."""
    activations = device.activations
    parameters = {**(probe.parameters or {}), **_fixed_output(probe, device), "a": (scale, zero)}
    if probe.parameters is SAME:
        return replace(probe, parameters=dict.fromkeys("aby", (scale, zero)))
    probe = replace(probe, parameters=parameters)
    if "y" in parameters and parameters["y"] != (SCALES["y"], ZEROS["y"]):
        return probe
    model = graph(probe, activations)
    with np.errstate(all="ignore"):
        (y,) = run(open_graph(model, ["y"]), ["y"], _feeds(model))
    low, high = min(0.0, float(y.min())), max(0.0, float(y.max()))
    if not np.isfinite([low, high]).all() or low == high:
        return None
    if activations == "int16":  # `graph` makes the steps finer
        return replace(probe, parameters={**parameters, "y": (2 * max(high, -low) / 255, 0)})
    step = (high - low) / 255
    return replace(probe, parameters={**parameters, "y": (step, int(np.clip(np.rint(-128 - low / step), -128, 127)))})


def _fixed_output(probe: Probe, device: Device) -> dict[str, tuple[float, int]]:
    """The only output parameters that an integer kernel of the target has, where it has no others."""
    sets = [profile.load_kernels().kernels for profile in device.target.profiles]
    fixed = [found.fixed_output for kernels in sets if (found := kernels.get(probe.kind)) and found.fixed_output]
    return {"y": (fixed[0].scale, fixed[0].zero_point)} if fixed else {}


def _steps(device: Device, probe: Probe) -> float | None:
    """How far the device's runtime is from the arithmetic as written; None where the probe is refused."""
    model = graph(probe, device.activations)
    feeds = _feeds(model)
    (expected,) = run(open_graph(model), ["y_dq"], feeds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"probe{device.target.ending}"
        try:
            device.write(model, path)
            session = open_session(path)
            got = session.run(feeds)["y_dq"]
            session.close()
        except (ExportError, ArtifactError):
            return None
    return float(np.abs(got - expected).max()) / float(array(model.graph.initializers["y_scale"]))


def measure(device: Device, name: str) -> Measured:
    """One probe in the device's own runtime."""
    probe, runtime = PROBES[name], device.runtime
    model = graph(probe, device.activations)
    feeds = _feeds(model)
    (expected,) = run(open_graph(model), ["y_dq"], feeds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"probe{device.target.ending}"
        try:
            device.write(model, path)
            session = open_session(path)
            got = session.run(feeds)["y_dq"]
            session.close()
        except (ExportError, ArtifactError):
            return Measured(integer=False)
        integer = runtime.is_integer(path)
        asked = runtime.is_delegated if not device.profile.integer_only else None
        delegated = asked(path) if asked else None
    step = float(array(model.graph.initializers["y_scale"]))
    return Measured(integer, delegated, round(float(np.abs(got - expected).max()) / step, 2))


def _tflite_integer(path: Path) -> bool:
    inspector = open_inspector(path)
    found = bool({"y", "m", "y_dq"} & set(inspector.integer))
    inspector.close()
    return found


def _delegated(path: Path) -> bool:
    from edgeport.runtime.sessions.tflite import TFLiteSession

    return not TFLiteSession(path).undelegated()


def _openvino_integer(path: Path) -> bool:
    """Whether a layer of the compiled model, other than the conversions at its ends, works in 8 bits."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(next(path.glob("*.xml")), "CPU", settings)
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    ends = {
        "FakeQuantize",
        "Input",
        "Output",
        "Reorder",
        "Const",
        "Constant",
        "Convert",
        "Reshape",
        "Parameter",
        "Result",
    }
    return any(
        str(fact["runtimePrecision"].value) in ("i8", "u8")
        for fact in facts
        if "layerType" in fact and str(fact["layerType"].value) not in ends
    )


def _onnx_integer(path: Path) -> bool:
    """Whether, after ONNX Runtime's optimisations, nothing widens what the operator reads."""
    import onnx

    ort = onnxruntime()

    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors
    options.optimized_model_filepath = str(path.with_name("optimized.onnx"))
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    quantized = {name for node in nodes if node.op_type == "QuantizeLinear" for name in node.output if name[0] in "ab"}
    return not any(node.op_type == "DequantizeLinear" and node.input[0] in quantized for node in nodes)


# by profile or target; one that nothing here runs on its own kernels has none
RUNTIMES = {
    "micro": Runtime("tflite-micro", _tflite_integer),
    "tflite": Runtime("ai-edge-litert", _tflite_integer, _delegated),
    "openvino": Runtime("openvino", _openvino_integer),
    "onnx": Runtime("onnxruntime", _onnx_integer),
}
DEVICES = {
    profile.name: Device(target, profile, runtime)
    for target in targets().values()
    for profile in target.profiles
    if "int8" in profile.precisions and (runtime := RUNTIMES.get(profile.name, RUNTIMES.get(target.name)))
}
DEVICES |= {
    f"{name} int16x8": replace(device, precision="int16x8")
    for name, device in DEVICES.items()
    if device.profile.integer_only and device.profile.load_int16_kernels is not None
}
