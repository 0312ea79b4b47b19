"""The names in the files are the paths of PyTorch's modules with slashes: what viewers of models group by."""

import xml.etree.ElementTree as ElementTree

import onnx
import pytest
import torch
from edgeport.exporters import tflite
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.models import create_model
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

OUTSIDE = ("image", "logits")  # the model's own names


@pytest.fixture(scope="module")
def model():
    """(names of the modules, canonical graph, statistics) of a network of convolutions and attention."""
    module = create_model("mobilevit_test").eval()
    modules = {name.replace(".", "/") for name, _ in module.named_modules() if name}
    image = torch.zeros(1, 3, 64, 64)
    graph = canonicalize(from_torch(module, (image,)))
    return modules, graph, collect(graph, [{"image": torch.rand(1, 3, 64, 64).numpy()} for _ in range(2)])


def tflite_names(content: bytes) -> list[str]:
    """The names of operators' results and of constants, which Model Explorer takes for their places."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # with a delegate there would be an operator for all of it
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
    inputs = {each["index"] for each in interpreter.get_input_details()}
    return [each["name"] for each in interpreter.get_tensor_details() if each["index"] not in inputs]


def openvino_names(graph, folder) -> list[str]:
    folder.mkdir()
    layers = ElementTree.parse(to_openvino(graph, folder)).getroot().iter("layer")
    return [layer.get("name") or "" for layer in layers if layer.get("type") not in ("Parameter", "Result")]


def assert_in_modules(names: list[str], modules: set[str]) -> None:
    assert [name for name in names if names.count(name) > 1] == []
    lost = [
        name for name in names if not any(name == each or name.startswith((f"{each}/", f"{each}_")) for each in modules)
    ]
    assert not [name for name in lost if not name.startswith(OUTSIDE)]
    assert not any(";" in name for name in names)  # which parts several names


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_operators_lie_in_their_modules(model, tmp_path, precision):
    modules, graph, statistics = model
    for kernels in (TFLITE_XNNPACK, OPENVINO_CPU):
        made = apply(graph, plan(graph, statistics, kernels)) if precision == "int8" else graph
        if kernels is TFLITE_XNNPACK:
            names = tflite_names(tflite.convert(made, kernels=kernels))
            assert {"stages/0/0/conv1_1x1/conv", "stages/2/1/transformer/0/attn/softmax"} <= set(names)
            assert_in_modules(names, modules)
        else:
            names = openvino_names(made, tmp_path / "first")
            assert names == openvino_names(made, tmp_path / "again")  # OpenVINO's own numbers go on through a process
            assert_in_modules(names, modules)
            nodes = onnx.load_model_from_string(to_onnx(made)).graph.node
            assert_in_modules([node.name for node in nodes], modules)


def test_an_operator_without_a_name_lies_with_what_it_serves(model, tmp_path):
    names = openvino_names(model[1], tmp_path / "ir")
    assert [name for name in names if "/" not in name and name not in (*model[0], *OUTSIDE)] == []
