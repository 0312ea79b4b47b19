"""Graphs from ONNX's text form, inputs for them, and plain runs in ONNX Runtime and LiteRT."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
from cases import CASES

HEAD = '<ir_version: 10, opset_import: ["" : {opset}]> '
# A model of the runtime's and the devices' tests.
LINEAR = """
<ir_version: 10, opset_import: ["" : 20]>
linear (float[1, 4] x) => (float[1, 10] logits)
<float[4, 10] weight, float[10] bias>
{ product = MatMul(x, weight)
  logits = Add(product, bias) }
"""


def graph(text: str, constants: dict[str, object] | None = None, seed: int = 0, *, opset: int = 20) -> ir.Model:
    """The checked, shape-inferred model; a constant is drawn if a shape (tuple) is given, else holds the values."""
    rng = np.random.default_rng(seed)
    proto = onnx.parser.parse_model(HEAD.format(opset=opset) + text)
    for name, c in (constants or {}).items():
        if isinstance(c, tuple):
            fan_in = int(np.prod(c[1:])) if len(c) > 2 else c[0] if len(c) == 2 else 1
            array = (rng.standard_normal(c) / np.sqrt(fan_in)).astype(np.float32)
        elif isinstance(c, np.ndarray | np.generic):
            array = np.asarray(c)
        elif all(isinstance(v, int) for v in c):
            array = np.array(c, np.int64)
        else:
            array = np.array(c, np.float32).reshape(() if len(c) == 1 else -1)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    onnx.checker.check_model(proto)
    model = ir.from_proto(proto)
    for i, node in enumerate(model.graph):
        node.name = node.name or f"n{i}"
    return model


def canonical(text: str, constants: dict[str, object] | None = None) -> ir.Model:
    """The graph in the dialect, as the converters take it."""
    from edgeport.exporters.canonicalize import canonicalize

    return canonicalize(graph(text, constants))


def canonical_case(name: str) -> ir.Model:
    """The operator case of that name, in the dialect."""
    text, _, constants = CASES[name]
    return canonical(text, constants)


def feeds(model: ir.Model, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {v.name: _drawn(rng, v) for v in model.graph.inputs}


def _drawn(rng: np.random.Generator, value: ir.Value) -> np.ndarray:
    """Normal numbers; integers from -3 to 3, none of them 0 in an input `divisor`; truth values."""
    dims = [int(d) for d in value.shape]
    if value.dtype == ir.DataType.BOOL:
        return rng.random(dims) < 0.5
    if value.dtype == ir.DataType.FLOAT:
        return rng.standard_normal(dims).astype(np.float32)
    drawn = rng.integers(-3, 4, dims)
    return np.where((drawn == 0) & (value.name == "divisor"), 2, drawn).astype(value.dtype.numpy())


def run_onnx(model: ir.Model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """ONNX Runtime without graph optimisation: faithful to every Q/DQ."""
    import onnxruntime as ort
    from edgeport.graph.fixed_selection import to_runnable_proto

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = to_runnable_proto(model).SerializeToString()
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def snr_db(reference, other) -> float:
    """Signal-to-noise ratio of `other` against `reference`; 300 dB and more where they are equal."""
    reference = np.asarray(reference, np.float64)
    error = np.square(reference - other).sum()
    return float(10 * np.log10(np.square(reference).sum() / max(error, 1e-30)))


def run_tflite(content: bytes, inputs: dict[str, np.ndarray], *, delegate: bool = True) -> dict[str, np.ndarray]:
    """LiteRT through the signature. Images of rank 4 are put into the layout of the file's own input."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=resolver)
    runner = interpreter.get_signature_runner("serving_default")
    details = runner.get_input_details()
    nhwc = b'"layout":"nhwc"' in content
    laid = {name: x.transpose(0, 2, 3, 1) if x.ndim == 4 and nhwc else x for name, x in inputs.items()}
    laid = {name: x.astype(details[name]["dtype"], copy=False) for name, x in laid.items()}  # int64 -> int32
    assert {n: x.shape for n, x in laid.items()} == {n: tuple(details[n]["shape"]) for n in laid}
    return {k: np.array(v) for k, v in runner(**laid).items()}


def operators(content: bytes) -> list[str]:
    """The names of the operators the runtime executes; "DELEGATE" is one partition of the CPU delegate."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return [d["op_name"] for d in interpreter._get_ops_details()]


def units(model: ir.Model):
    """Each stretch from Q/DQ to Q/DQ of a quantised model, cut out: (name, model with float inputs).

    Random integers go in as the floats they stand for; what comes out are the unit's own integers, dequantised.
    """
    proto = ir.to_proto(model)
    proto = onnx.shape_inference.infer_shapes(proto)
    extractor = onnx.utils.Extractor(proto)
    constants = set(model.graph.initializers)
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or node.inputs[0].name in constants or node.inputs[0].is_graph_input():
            continue
        (pair,) = {u.node for u in node.outputs[0].uses()}
        sources, floats, seen, todo = {}, set(), set(), [node.inputs[0]]
        while todo:
            value = todo.pop()
            if value is None or value in seen or value.name in constants:
                continue
            seen.add(value)
            producer = value.producer()
            if producer is None:
                floats.add(value.name)
                continue
            if producer.op_type == "QuantizeLinear":
                sources[producer.inputs[0].name] = producer
            todo += producer.inputs if producer.op_type != "QuantizeLinear" else ()
        if sources:
            cut = ir.from_proto(extractor.extract_model(sorted({*sources, *floats}), [pair.outputs[0].name]))
            for i, n in enumerate(cut.graph):
                n.name = n.name or f"n{i}"
            parameters = {name: [v.const_value.numpy() for v in q.inputs[1:]] for name, q in sources.items()}
            yield pair.outputs[0].name, cut, parameters, float(node.inputs[1].const_value.numpy())


def random_integers(model: ir.Model, parameters, seed: int = 0) -> dict[str, np.ndarray]:
    """int8 values, dequantised, for each input of a cut-out unit; what is never rounded as `feeds` has it."""
    rng = np.random.default_rng(seed)
    out = {}
    for v in model.graph.inputs:
        if v.name not in parameters:
            out[v.name] = _drawn(rng, v)
            continue
        scale, zero = parameters[v.name]
        q = np.clip(np.rint(rng.normal(0, 50, [int(d) for d in v.shape])), -128, 127)
        out[v.name] = ((q - zero.astype(np.float64)) * scale.astype(np.float64)).astype(np.float32)
    return out
