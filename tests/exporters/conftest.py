"""What the tests of the exporters share: a graph from ONNX text, and running one without graph optimisation."""

import importlib.util
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from edgeport.graph.dialect import OPSET
from edgeport.graph.edit import remove_dead
from graphs import run_onnx
from onnx_ir.passes import common


def _run(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return list(run_onnx(model, dict(feeds)).values())


def _parse(text: str) -> ir.Model:
    """`float[1,4] x, float[4,3] c => float[1,3] y | y = MatMul (x, c)`: inputs named c... become random constants."""
    signature, body = text.split("|", 1)
    inputs, outputs = signature.split("=>")
    header = f'<ir_version: 10, opset_import: ["" : {OPSET}]>'
    proto = onnx.parser.parse_model(f"{header} g ({inputs}) => ({outputs}) {{ {body} }}")
    random = np.random.default_rng(0)
    for info in list(proto.graph.input):
        if info.name.startswith("c"):
            dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
            array = random.normal(size=dims).astype(np.float32)
            if info.name.startswith("c_positive"):
                array = np.abs(array) + 0.5
            proto.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
            proto.graph.input.remove(info)
    model = ir.from_proto(proto)
    for value in model.graph.initializers.values():
        value.shape, value.dtype = ir.Shape(value.const_value.shape), value.const_value.dtype
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)  # the text's numbers
    common.ShapeInferencePass()(model)
    return model


@pytest.fixture(scope="session")
def run() -> Callable[..., list[np.ndarray]]:
    """run(model, feeds) -> outputs, by ONNX Runtime as the graph stands."""
    return _run


@pytest.fixture(scope="session")
def parse() -> Callable[[str], ir.Model]:
    """parse(text) -> a model with shapes and its numbers as initializers."""
    return _parse


@pytest.fixture(scope="session")
def feeds() -> Callable[..., dict[str, np.ndarray]]:
    """feeds(model, seed) -> random float32 inputs."""

    def draw(model: ir.Model, seed: int = 0) -> dict[str, np.ndarray]:
        random = np.random.default_rng(seed)
        return {v.name: random.normal(size=tuple(v.shape)).astype(np.float32) for v in model.graph.inputs}

    return draw


@pytest.fixture(scope="session")
def check_rewrite(run, feeds) -> Callable[..., None]:
    """check_rewrite(step, model, ops): `step.rewrite` leaves these ops and the function; None: it changes nothing."""

    def check(step, model: ir.Model, ops: str | None) -> None:
        inputs = feeds(model)
        expected, before = run(model, inputs), [node.op_type for node in model.graph]
        changed = step.rewrite(model)
        remove_dead(model.graph)
        after = [node.op_type for node in model.graph]
        assert after == (before if ops is None else ops.split())
        assert bool(changed) == (ops is not None)
        assert step.rewrite(model) == 0 or ops is None, "a second run finds something again"
        for got, want in zip(run(model, inputs), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want[np.isfinite(want)]).max(initial=1))
        onnx.checker.check_model(ir.to_proto(model), full_check=True)  # and the shapes that the rewrite wrote are right

    return check


@pytest.fixture(scope="session")
def timm():
    """timm, also where torchvision's compiled half does not fit the torch that is installed."""
    torch = pytest.importorskip("torch")
    spec = importlib.util.find_spec("torchvision")
    if spec is not None and spec.origin:
        try:
            torch.ops.load_library(str(pathlib.Path(spec.origin).with_name("_C.so")))
        except (OSError, ImportError):  # its Python half asks for the schemas of two operators when imported
            library = torch.library.Library("torchvision", "FRAGMENT")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            globals()["_kept"] = library  # the schemas go with the object
    return pytest.importorskip("timm")
