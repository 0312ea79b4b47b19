"""The parts of a split tensor, as a sequence, in graphs whose shapes nobody has inferred."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from edgeport.artifacts.errors import DynamicShape
from edgeport.exporters.canonicalize import canonicalize
from graphs import run_onnx

HEAD = '<ir_version: 10, opset_import: ["" : 20]> '


def parsed(body: str, output: str) -> ir.Model:
    return ir.from_proto(onnx.parser.parse_model(f"{HEAD} g (float[7,3,10] x) => (float[{output}] y) {{ {body} }}"))


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("n = Constant <value_int = 3> () s = SplitToSequence (x, n)", "3,3,10"),
        ("n = Constant <value_ints = [1, 2, 7]> () s = SplitToSequence <axis = -1> (x, n)", "7,3,2"),
        ("n = Constant <value_int = 4> () s = SplitToSequence <axis = 2> (x, n)", "7,3,4"),
        ("s = SplitToSequence <axis = 1> (x)", "7,1,10"),
        ("s = SplitToSequence <axis = 1, keepdims = 0> (x)", "7,10"),
    ],
)
def test_a_part_is_a_slice(body, output):
    model = parsed(f"i = Constant <value_int = 1> () {body} p = SequenceAt (s, i) y = Relu (p)", output)
    made = canonicalize(model)
    assert {node.op_type for node in made.graph} <= {"Slice", "Reshape", "Relu"}
    feeds = {"x": np.random.default_rng(0).standard_normal((7, 3, 10)).astype(np.float32)}
    np.testing.assert_array_equal(run_onnx(made, feeds)["y"], run_onnx(model, feeds)["y"])


def test_the_last_part_may_be_shorter():
    body = "n = Constant <value_int = 4> () i = Constant <value_int = 2> () s = SplitToSequence <axis = 2> (x, n)"
    model = parsed(f"{body} p = SequenceAt (s, i) y = Relu (p)", "7,3,2")
    feeds = {"x": np.ones((7, 3, 10), np.float32)}
    np.testing.assert_array_equal(run_onnx(canonicalize(model), feeds)["y"], run_onnx(model, feeds)["y"])


@pytest.mark.parametrize(
    "body",
    [
        "i = Constant <value_int = -1> () n = Constant <value_int = 3> () s = SplitToSequence (x, n)",
        "i = Constant <value_int = 0> () n = Constant <value_int = 3> () s = SequenceConstruct (x, x)",
    ],
)
def test_what_is_left_alone_is_refused(body):
    with pytest.raises(DynamicShape, match="SequenceAt 'p'"):
        canonicalize(parsed(f"{body} p = SequenceAt (s, i) y = Relu (p)", "1,3,10"))
