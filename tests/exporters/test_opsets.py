"""Graphs of other opsets: what ONNX Runtime computes from them as they are, it computes from them in the dialect's."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from edgeport.artifacts.errors import ExportError
from edgeport.exporters.passes.entry import opset
from edgeport.graph.dialect import OPSET

X = "float[2,4,6,8] x"
# op: (the opsets of which this is the spelling, the graph); a name with c stands for a constant of the shape
SPELLINGS = {
    "Squeeze, axes as attribute": ((11, 12), "float[1,4,1,8] x", "y = Squeeze<axes=[0,2]>(x)"),
    "Squeeze, axes as input": (
        (13, 17, 21, 24),
        "float[1,4,1,8] x",
        "a = Constant<value_ints=[0,2]>() y = Squeeze(x,a)",
    ),
    "Unsqueeze, axes as attribute": ((11, 12), X, "y = Unsqueeze<axes=[1,-1]>(x)"),
    "Unsqueeze, axes as input": ((13, 23), X, "a = Constant<value_ints=[1,-1]>() y = Unsqueeze(x,a)"),
    "ReduceMean, axes as attribute": ((11, 13, 17), X, "y = ReduceMean<axes=[-1,1],keepdims=0>(x)"),
    "ReduceMean, no axes": ((11, 17), X, "y = ReduceMean(x)"),
    "ReduceSum, axes as attribute": ((11, 12), X, "y = ReduceSum<axes=[2]>(x)"),
    "ReduceMax, axes as attribute": ((11, 12, 13, 17), X, "y = ReduceMax<axes=[1],keepdims=0>(x)"),
    "ReduceL2, axes as attribute": ((11, 17), X, "y = ReduceL2<axes=[1]>(x)"),
    "Softmax of all that follows": ((11, 12), X, "y = Softmax(x)"),
    "Softmax of all that follows, last": ((11, 12), X, "y = Softmax<axis=3>(x)"),
    "Softmax of one axis": ((13, 18, 22), X, "y = Softmax<axis=1>(x)"),
    "LogSoftmax of all that follows": ((11, 12), X, "y = LogSoftmax<axis=2>(x)"),
    "Clip": (
        (11, 12, 13),
        X,
        "l = Constant<value=float {-0.5}>() h = Constant<value=float {0.25}>() y = Clip(x,l,h)",
    ),
    "Clip, lower only": ((11, 13), X, "l = Constant<value=float {-0.5}>() y = Clip(x,l)"),
    "Pad": ((11, 13, 18, 24), X, "p = Constant<value_ints=[0,0,1,2,0,0,3,4]>() y = Pad(x,p)"),
    "Pad, edge": ((11, 13, 19), X, "p = Constant<value_ints=[0,0,1,2,0,0,3,4]>() y = Pad<mode='edge'>(x,p)"),
    "Resize by scales, linear": (
        (11, 13, 18, 19),
        X,
        "s = Constant<value_floats=[1.0,1.0,2.0,1.5]>() r = Constant<value_floats=[0.0]>() y = Resize<mode='linear',"
        "coordinate_transformation_mode='half_pixel'>(x,r,s)",
    ),
    "Resize to sizes, nearest": (
        (11, 13, 18, 20),
        X,
        "n = Constant<value_ints=[2,4,9,16]>() r = Constant<value_floats=[0.0]>() "
        "e = Constant<value_floats: floats = []>() "
        "y = Resize<mode='nearest',coordinate_transformation_mode='asymmetric',nearest_mode='floor'>(x,r,e,n)",
    ),
    "Upsample": ((9,), X, "s = Constant<value=float[4] {1.0,1.0,2.0,2.0}>() y = Upsample<mode='nearest'>(x,s)"),
    "Split, sizes as attribute": ((11, 12), X, "a, b = Split<axis=1,split=[1,3]>(x) y = Concat<axis=1>(b,a)"),
    "Split, sizes as input": (
        (13, 17),
        X,
        "s = Constant<value_ints=[1,3]>() a, b = Split<axis=1>(x,s) y = Concat<axis=1>(b,a)",
    ),
    "Split, equal": ((11, 13, 17), X, "a, b = Split<axis=1>(x) y = Concat<axis=1>(b,a)"),
    "Dropout": ((11, 12, 13, 22), X, "y = Dropout(x)"),
    "BatchNormalization": (
        (11, 14, 15, 21),
        X + ", float[4] c1, float[4] c2, float[4] c3, float[4] cpositive",
        "y = BatchNormalization(x,c1,c2,c3,cpositive)",
    ),
    "AveragePool": ((11, 19, 22), X, "y = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],strides=[2,2]>(x)"),
    "MaxPool": ((11, 12, 22), X, "y = MaxPool<kernel_shape=[3,3],ceil_mode=1,strides=[2,2]>(x)"),
    "Conv": ((11, 22), X + ", float[3,4,3,3] c", "y = Conv<auto_pad='SAME_UPPER'>(x,c)"),
    "Gemm": ((11, 13), "float[2,4] x, float[3,4] c, float[3] cb", "y = Gemm<transB=1,alpha=0.5>(x,c,cb)"),
    "Flatten": ((11, 13, 21, 23), X, "y = Flatten<axis=2>(x)"),
    "Reshape": ((11, 14, 21), X, "s = Constant<value_ints=[0,-1]>() y = Reshape(x,s)"),
    "Transpose": ((11, 21), X, "y = Transpose<perm=[0,2,3,1]>(x)"),
    "Slice": ((11, 13), X, "s = Constant<value_ints=[1]>() e = Constant<value_ints=[100]>() y = Slice(x,s,e,s)"),
    "DepthToSpace": ((11, 13), X, "y = DepthToSpace<blocksize=2,mode='CRD'>(x)"),
    "ArgMax": ((11, 12, 13), X, "a = ArgMax<axis=1>(x) y = Cast<to=1>(a)"),
    "Pow": ((11, 13, 15), X, "e = Constant<value=float {2.0}>() y = Pow(x,e)"),
    "Einsum": ((12,), X, "y = Einsum<equation='abcd,abed->abce'>(x,x)"),
    "Attention, an input left out": ((23, 24), "float[2,4,6,8] x, float[2,4,3,8] c", "y, k, v = Attention(x,x,x,,c,c)"),
    "Swish": ((24,), X, "y = Swish<alpha=1.5>(x)"),
    "RMSNormalization": ((23, 24), X + ", float[8] c", "y = RMSNormalization<axis=-1>(x,c)"),
    "GroupNormalization": ((21, 22), X + ", float[4] c1, float[4] c2", "y = GroupNormalization<num_groups=2>(x,c1,c2)"),
    "QuantizeLinear": (
        (10, 13, 19, 21, 23),
        X,
        "s = Constant<value=float {0.02}>() z = Constant<value=int8 {3}>() q = QuantizeLinear(x,s,z) "
        "y = DequantizeLinear(q,s,z)",
    ),
    "QuantizeLinear per channel": (
        (13, 19, 21),
        X + ", float[4] cpositive",
        "z = Constant<value=int8[4] {0,1,2,3}>() q = QuantizeLinear<axis=1>(x,cpositive,z) "
        "y = DequantizeLinear<axis=1>(q,cpositive,z)",
    ),
}
CASES = [(what, version) for what, (versions, *_) in SPELLINGS.items() for version in versions]


def parsed(version: int, inputs: str, body: str) -> onnx.ModelProto:
    """The text with its strings in single quotes, which are easier to write here."""
    text = f"<ir_version: 8, opset_import: ['' : {version}]> g ({inputs}) => (float y) {{ {body} }}"
    return onnx.parser.parse_model(text.replace("'", '"'))


def model(what: str, version: int) -> onnx.ModelProto:
    _, inputs, body = SPELLINGS[what]
    proto = parsed(version, inputs, body)
    rng = np.random.default_rng(0)
    for info in list(proto.graph.input)[1:]:
        dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        array = rng.standard_normal(dims).astype(np.float32)
        array = np.abs(array) + 0.5 if "positive" in info.name else array
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
        proto.graph.input.remove(info)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    return proto


def run(proto: onnx.ModelProto) -> np.ndarray:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    return session.run(None, {"x": np.random.default_rng(1).standard_normal(shape).astype(np.float32)})[0]


@pytest.mark.parametrize(("what", "version"), CASES)
def test_the_same_in_the_dialect_s_opset(what, version):
    proto = model(what, version)
    converted = ir.from_proto(proto)
    opset.rewrite(converted)
    assert converted.opset_imports[""] == OPSET
    want, got = run(proto), run(ir.to_proto(converted))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


REFUSED = {  # what has no way into the dialect's opset, and what is said
    "of opset 23 with a scale for each block": (
        23,
        "float[2,4] x, float[2,2] cpositive",
        "q = QuantizeLinear<axis=1,block_size=2>(x,cpositive) y = DequantizeLinear<axis=1,block_size=2>(q,cpositive)",
        "block_size = 2 is of opset 23",
    ),
    "of opset 26, new": (26, X, "a = Constant<value=int64 {1}>() y = CumProd(x,a)", "'y' is of opset 26"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    version, inputs, body, said = REFUSED[what]
    proto = parsed(version, inputs, body)
    with pytest.raises(ExportError, match=said):
        opset.rewrite(ir.from_proto(proto))


def test_large_weights_and_module_paths_survive():
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,64] x) => (float[1,64] y) { y = MatMul(x, w) }'
    )
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    proto.graph.node[0].metadata_props.add(key=opset.NAME_SCOPES, value="['', 'head', 'matmul']")
    converted = ir.from_proto(proto)
    opset.rewrite(converted)
    np.testing.assert_array_equal(converted.graph.initializers["w"].const_value.numpy(), weight)
    assert [value.name for value in converted.graph.inputs] == ["x"]
    assert converted.graph[0].metadata_props[opset.NAME_SCOPES] == "['', 'head', 'matmul']"
