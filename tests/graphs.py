"""Graphs from ONNX's text form, inputs for them, and plain runs in ONNX Runtime and LiteRT."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir

HEAD = '<ir_version: 10, opset_import: ["" : 20]> '


def graph(text: str, constants: dict[str, object] | None = None, seed: int = 0) -> ir.Model:
    """The checked, shape-inferred model; a constant is drawn if a shape (tuple) is given, else holds the values."""
    rng = np.random.default_rng(seed)
    proto = onnx.parser.parse_model(HEAD + text)
    for name, c in (constants or {}).items():
        if isinstance(c, tuple):
            fan_in = int(np.prod(c[1:])) if len(c) > 2 else c[0] if len(c) == 2 else 1
            array = (rng.standard_normal(c) / np.sqrt(fan_in)).astype(np.float32)
        elif isinstance(c, np.ndarray):
            array = c
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


def feeds(model: ir.Model, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {v.name: rng.standard_normal([int(d) for d in v.shape]).astype(np.float32) for v in model.graph.inputs}


def run_onnx(model: ir.Model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """ONNX Runtime without graph optimisation: faithful to every Q/DQ."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def run_tflite(content: bytes, inputs: dict[str, np.ndarray], *, delegate: bool = True) -> dict[str, np.ndarray]:
    """LiteRT through the signature. Images of rank 4 are put into the layout of the file's own input."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=resolver)
    runner = interpreter.get_signature_runner("serving_default")
    details = runner.get_input_details()
    laid = {}
    for name, x in inputs.items():
        shape = tuple(details[name]["shape"])
        laid[name] = x.transpose(0, 2, 3, 1) if x.ndim == 4 and shape != x.shape else x
        assert laid[name].shape == shape
    return {k: np.array(v) for k, v in runner(**laid).items()}


def partitions(content: bytes) -> tuple[int, list[str]]:
    """(delegate partitions, operators left outside of them)"""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    names = [d["op_name"] for d in details]
    inside = {id(d) for d in details}
    del inside
    return names.count("DELEGATE"), names
