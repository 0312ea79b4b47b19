"""What LiteRT's GPU delegate computes wrongly is in no .tflite, of no profile."""

import math

import edgeport
import many_axes
import numpy as np
import pytest
import torch
from cases import CASES
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.edit import shape
from edgeport.models import create_model, get_variant
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from edgeport.targets.registry import target_of
from graphs import canonical_case, feeds, graph, run_onnx, run_tflite
from hypothesis import given, settings
from hypothesis import strategies as st
from software_gpu import gpu, needs_gpu  # noqa: F401  # gpu is a fixture
from tflite_convert import convert

ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "PRELU")
OPS = ("Add", "Sub", "Mul", "Div", "Max", "Min")
SHAPES = [  # of what is computed, and of the constant
    ("6,8", "6,8"),
    ("1,6,8", "6,8"),
    ("1,6,8", "1,6,8"),
    ("1,6,8", "1,6,1"),
    ("3,6,8", "3,6,8"),
    ("3,6,8", "3,1,8"),
    ("3,6,8", "3,1,1"),
    ("3,6,8", "1,6,8"),
    ("48", "48"),
    ("8", "6,8"),
    ("1,3,6,8", "1,3,6,8"),
    ("2,3,6,8", "3,6,8"),
]


def read_as_one_row(content: bytes) -> list[str]:
    """Element-wise operators of fewer than 4 axes, whose constant has several rows: the delegate reads the first."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph, found = model.subgraphs[0], []
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    for operator in subgraph.operators:
        name = names[model.operatorCodes[operator.opcodeIndex].builtinCode]
        for index in operator.inputs if name in ELEMENTWISE else ():
            tensor, rank = subgraph.tensors[index], len(subgraph.tensors[operator.outputs[0]].shape)
            if model.buffers[tensor.buffer].data is not None and len(tensor.shape) == rank < 4 and tensor.shape[0] > 1:
                found.append(f"{name} {list(tensor.shape)}")
    return found


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("x", "c"), SHAPES)
def test_a_constant_of_several_rows_has_a_leading_one(op, x, c):
    full = np.broadcast_shapes(*([int(size) for size in text.split(",")] for text in (x, c)))
    constant = np.random.default_rng(0).uniform(1, 2, [int(size) for size in c.split(",")]).astype(np.float32)
    out = ",".join(map(str, full))
    model = graph(f"g (float[{x}] x) => (float[{out}] y) {{ y = {op} (x, c) }}", {"c": constant})
    inputs = {"x": np.random.default_rng(1).normal(size=[int(size) for size in x.split(",")]).astype(np.float32)}
    content = convert(model)
    assert read_as_one_row(content) == []
    np.testing.assert_allclose(run_tflite(content, inputs)["y"], run_onnx(model, inputs)["y"], rtol=1e-6)


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "levit_128s", "swin_tiny_patch4_window7_224"])
def test_models_have_no_such_constant_in_float_and_in_int8(name):
    size = get_variant(name).input_size
    model = canonicalize(from_torch(create_model(name), (torch.zeros(1, *size),)))
    content = convert(model)
    assert (read_as_one_row(content), most_axes(content)) == ([], 4)
    images = [{"image": np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32)}]
    assert read_as_one_row(convert(apply(model, plan(model, collect(model, images), TFLITE_XNNPACK)))) == []


@pytest.mark.parametrize("name", ["mobilevit_xxs", "efficientformerv2_s0", "shufflenet_v2_x0_5", "efficientvit_b0"])
def test_models_have_four_axes_for_the_gpu(name):
    size = get_variant(name).input_size
    model = canonicalize(from_torch(create_model(name), (torch.zeros(1, *size),)))
    assert most_axes(convert(model, plain=True)) == 4


@pytest.mark.parametrize("name", CASES)
def test_forms_for_the_gpu_compute_the_same_in_four_axes(name):
    model = canonical_case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    content = convert(model, plain=True)
    got = run_tflite(content, inputs)["y"]
    np.testing.assert_allclose(got, expected, atol=2e-5 * max(expected.std(), 1), rtol=0)
    ends = max(len(shape(value)) for value in (*model.graph.inputs, *model.graph.outputs))
    assert most_axes(content) <= max(4, ends)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_permutation_is_made_of_transposes_of_four_axes(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=8), "sizes")
    perm = data.draw(st.permutations(range(len(sizes))), "perm")
    flat = math.prod(sizes)
    text = (
        f"g (float[{flat}] x) => (float[{flat}] y) "
        "{ a = Reshape (x, into) b = Transpose <perm=[PERM]> (a) c = Relu (b) "
        "y = Reshape (c, out) }"
    ).replace("PERM", ",".join(map(str, perm)))
    model = graph(text, {"into": sizes, "out": [flat]})
    content = convert(model, plain=True)
    x = np.arange(flat, dtype=np.float32)
    got = run_tflite(content, {"x": x})["y"]
    np.testing.assert_array_equal(got, x.reshape(sizes).transpose(perm).reshape(-1))
    assert most_axes(content) <= 4


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("operator", many_axes.OPERATORS)
def test_an_operator_between_many_axes_has_four(operator, plain):
    """Computed right, too, as ONNX Runtime has it."""
    for seed in range(6):
        text, constants, count = many_axes.draw(operator, seed)
        model = canonicalize(graph(text, constants))
        content = convert(model, plain=plain)
        x = {"x": np.random.default_rng(seed).normal(size=count).astype(np.float32)}
        np.testing.assert_allclose(run_tflite(content, x)["y"], run_onnx(model, x)["y"], atol=1e-5)
        assert most_axes(content) <= 4, text


def most_axes(content: bytes) -> int:
    from ai_edge_litert import schema_py_generated as schema

    subgraph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    return max(0 if tensor.shape is None else len(tensor.shape) for tensor in subgraph.tensors)


class EveryLayer(torch.nn.Module):
    """One of each layer with weights."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 32, 3, padding=1)
        self.grouped = torch.nn.Conv2d(32, 32, 3, padding=1, groups=4)
        self.depthwise = torch.nn.Conv2d(32, 32, 5, padding=2, groups=32)
        self.up = torch.nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.dense = torch.nn.Linear(16, 10)

    def forward(self, x):
        x = self.depthwise(torch.relu(self.grouped(self.stem(x))))
        return self.dense(self.up(x).mean((2, 3)))


@needs_gpu
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("profile", [None, "gpu"])
def test_int8_weights_of_float_layers_are_right_on_the_gpu(tmp_path, profile):
    torch.manual_seed(0)
    model = EveryLayer().eval()
    options = {"profile": profile} if profile else {}
    made = edgeport.export(
        *(model, "tflite"),
        precision="w8a32",
        example_inputs=(torch.randn(1, 3, 20, 20),),
        benchmark=False,
        validate=False,
        output_dir=tmp_path,
        **options,
    )
    found = edgeport.validate(made.path, reference=model, accelerator="gpu", num_validation_samples=1)
    assert found.accelerator is not None
    assert found.accelerator.whole == (profile == "gpu")
    for run in found.accelerator.runs:  # from PyTorch: what 8 bits of the weights cost, in either arithmetic
        assert run.agreement.snr_db > 25
    (coverage,) = predict_gpu_of(made.path)
    assert coverage.wrong == ()


def predict_gpu_of(path):
    target = target_of(path)
    return target.predict_coverage(target.read_contents(path))
