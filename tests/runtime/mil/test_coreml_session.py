"""Sessions over whole packages: names, images, classes, precisions, compressed weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from edgeport.artifacts.errors import FeedError, RuntimeUnavailable
from edgeport.runtime.mil.package import read_package
from edgeport.runtime.session import Session, TensorSpec
from edgeport.runtime.sessions.coreml import CoreMLSession
from edgeport.targets.registry import open_session
from mil_packages import ct, mb, save, types

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (1, 3, 5, 4)).astype(np.float32)


def test_it_is_a_session(tmp_path, capfd):
    x = np.ones((1, 3), np.float32)
    path = save(tmp_path / "a.mlpackage", lambda a: [mb.add(x=a, y=1.0), mb.cast(x=a, dtype="int32")], [x])
    capfd.readouterr()
    session = open_session(path, threads=2)
    assert isinstance(session, Session)
    assert session.inputs == (TensorSpec("a", (1, 3), "float32"),)
    assert session.outputs == (TensorSpec("y0", (1, 3), "float32"), TensorSpec("y1", (1, 3), "int32"))
    assert session.threads == 2
    assert session.load_ms > 0
    results = session.run({"a": x})
    assert results["y0"].tolist() == [[2, 2, 2]]
    assert [results[name].dtype for name in ("y0", "y1")] == [np.float32, np.int32]
    session.close()
    assert capfd.readouterr() == ("", "")


def test_the_same_input_is_not_changed(tmp_path):
    x = np.ones((1, 3), np.float32)
    session = open_session(save(tmp_path / "a.mlpackage", lambda a: mb.relu(x=mb.sub(x=a, y=2.0)), [x]))
    assert [session.run({"a": x})["y0"].tolist() for _ in range(2)] == [[[0, 0, 0]]] * 2
    assert x.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(("colours", "order"), [("RGB", [0, 1, 2]), ("BGR", [2, 1, 0]), ("GRAYSCALE", [0])])
def test_image_inputs_take_pixels(tmp_path, colours, order):
    x = IMAGE[:, : len(order)]
    kind = ct.ImageType(name="a", shape=x.shape, color_layout=getattr(ct.colorlayout, colours))
    path = save(tmp_path / "a.mlpackage", lambda a: mb.mul(x=a, y=0.5), [x], inputs=[kind])
    session = open_session(path)
    assert session.inputs == (TensorSpec("a", x.shape, "uint8"),)
    np.testing.assert_array_equal(session.run({"a": x + 0.4})["y0"], x[:, order] / 2)
    for wrong in (x / 127.5 - 1, x + 1e3):
        with pytest.raises(FeedError, match="pixels from 0 to 255"):
            session.run({"a": wrong})


@pytest.mark.parametrize("labels", [["cat", "dog", "élan"], [7, 8, 9]])
def test_classifier(tmp_path, labels):
    x = np.array([[0.2, 3.0, -1.0]], np.float32)
    config = ct.ClassifierConfig(labels, predicted_feature_name="label")
    path = save(tmp_path / "a.mlpackage", lambda a: mb.softmax(x=a), [x], classifier_config=config)
    session = CoreMLSession(path)
    assert session.labels == tuple(labels)
    assert session.outputs == (TensorSpec("label_probs", (1, 3), "float32"),)
    np.testing.assert_allclose(session.run({"a": x})["label_probs"], F.softmax(torch.tensor(x), 1), rtol=1e-6)


def test_metadata(tmp_path):
    path = save(tmp_path / "a.mlpackage", lambda a: mb.relu(x=a), [np.ones((1, 3), np.float32)])
    assert "com.github.apple.coremltools.version" in CoreMLSession(path).metadata


def test_float16_rounds_between_operators(tmp_path):
    x = (RNG.standard_normal((1, 100)) * 100).astype(np.float16)
    path = save(tmp_path / "a.mlpackage", lambda a: mb.add(x=mb.mul(x=a, y=np.float16(0.1)), y=np.float16(1000)), [x])
    session = open_session(path)
    assert session.inputs[0].dtype == session.outputs[0].dtype == "float16"
    result = session.run({"a": x.astype(np.float32)})["y0"]
    np.testing.assert_array_equal(result, x * np.float16(0.1) + np.float16(1000))  # numpy computes float16 so too


def test_float16_sums_in_float32(tmp_path):
    x = np.full((1, 4096), 1 / 3, np.float16)
    path = save(tmp_path / "a.mlpackage", lambda a: mb.reduce_sum(x=a, axes=[-1]), [x])
    result = open_session(path).run({"a": x.astype(np.float32)})["y0"]
    assert result == np.float16(x.astype(np.float32).sum())


def test_open_dimensions(tmp_path):
    kind = ct.TensorType(name="a", shape=ct.Shape((1, ct.RangeDim(1, 9, default=3))))

    def double(a):
        return mb.concat(values=(a, a), axis=1)

    program = mb.program(input_specs=[mb.TensorSpec((1, ct.converters.mil.mil.get_new_symbol()))])(lambda a: double(a))
    model = ct.convert(program, source="milinternal", inputs=[kind], skip_model_load=True)
    model.save(str(tmp_path / "a.mlpackage"))
    session = open_session(tmp_path / "a.mlpackage")
    assert session.inputs[0].shape == (1, None)
    for width in (3, 5):
        (result,) = session.run({"a": np.ones((1, width), np.float32)}).values()
        assert result.shape == (1, 2 * width)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int16", "uint16", "int32"])
def test_weights(tmp_path, dtype):
    x = np.zeros((40, 3), np.float32)
    weight = RNG.integers(0, 100, (40, 3)).astype(dtype)
    path = save(tmp_path / "a.mlpackage", lambda a: mb.add(x=a, y=mb.cast(x=mb.identity(x=weight), dtype="fp32")), [x])
    in_blob = (path / "Data/com.apple.CoreML/weights/weight.bin").exists()
    assert in_blob == (dtype not in ("int16", "uint16", "int32"))  # these coremltools writes into the program
    np.testing.assert_array_equal(open_session(path).run({"a": x})["y0"], weight)


@pytest.mark.parametrize("dtype", ["uint1", "uint2", "uint3", "uint4", "uint6", "int4"])
@pytest.mark.parametrize("shape", [(2, 4), (7, 11)])  # in the program and in the blob
def test_types_under_8_bits(tmp_path, dtype, shape):
    bits = int(dtype[-1])
    low = -(1 << (bits - 1)) if dtype == "int4" else 0
    values = RNG.integers(low, low + (1 << bits), shape)
    typed = values.astype(types.nptype_from_builtin(getattr(types, dtype)))
    x = np.zeros(shape, np.float32)
    if dtype in ("int4", "uint4"):
        scale = np.full((shape[0], 1), 0.5, np.float32)

        def weight():
            return mb.constexpr_blockwise_shift_scale(data=typed, scale=scale)

        expected = values / 2
    else:
        table = RNG.standard_normal((1, 1, 1 << bits, 1)).astype(np.float32)

        def weight():
            return mb.constexpr_lut_to_dense(indices=typed, lut=table)

        expected = table.flatten()[values]
    path = save(tmp_path / "a.mlpackage", lambda a: mb.add(x=a, y=weight()), [x], target="iOS18")
    np.testing.assert_array_equal(open_session(path).run({"a": x})["y0"], expected.astype(np.float32))


def test_tables_of_vectors_in_groups(tmp_path):
    """Two groups of rows with a table each, whose entries are columns of three."""
    indices = RNG.integers(0, 4, (4, 5))
    typed = indices.astype(types.nptype_from_builtin(types.uint2))
    table = RNG.standard_normal((2, 1, 4, 3)).astype(np.float32)
    expected = np.zeros((4, 15), np.float32)
    for row, column in np.ndindex(4, 5):
        expected[row, 3 * column : 3 * column + 3] = table[row // 2, 0, indices[row, column]]

    def emit(a):
        return mb.add(x=a, y=mb.constexpr_lut_to_dense(indices=typed, lut=table, vector_axis=1))

    path = save(tmp_path / "a.mlpackage", emit, [0 * expected], target="iOS18")
    np.testing.assert_array_equal(open_session(path).run({"a": 0 * expected})["y0"], expected)


def test_constexpr_cast(tmp_path):
    weight = RNG.standard_normal((4, 5)).astype(np.float16)
    x = np.zeros((4, 5), np.float32)
    path = save(
        tmp_path / "a.mlpackage",
        lambda a: mb.add(x=a, y=mb.constexpr_cast(source_val=weight, output_dtype="fp32")),
        [x],
        target="iOS16",
    )
    np.testing.assert_array_equal(open_session(path).run({"a": x})["y0"], weight)


def test_core_ml_itself_needs_a_mac(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    path = save(tmp_path / "a.mlpackage", lambda a: mb.relu(x=a), [np.ones((1, 3), np.float32)])
    with pytest.raises(RuntimeUnavailable, match="needs a Mac"):
        CoreMLSession(path, backend="coreml")


def test_an_int8_network_bit_for_bit(tmp_path):
    """conv, relu, pool and linear in int8, against numpy with integer sums."""
    s_in, z_in, s_mid, z_mid, s_out, z_out = np.float32([0.021, -11, 0.043, -128, 0.09, 5])
    w1, w2 = RNG.integers(-127, 128, (6, 3, 3, 3), np.int8), RNG.integers(-127, 128, (10, 6), np.int8)
    s1, s2 = RNG.uniform(0.001, 0.005, 6).astype(np.float32), RNG.uniform(0.001, 0.005, 10).astype(np.float32)
    b1, b2 = RNG.standard_normal(6).astype(np.float32), RNG.standard_normal(10).astype(np.float32)
    x = RNG.uniform(-2.5, 2.5, (1, 3, 9, 8)).astype(np.float32)

    def pair(value, scale, zero):
        q = mb.quantize(input=value, scale=scale, zero_point=np.int8(zero), output_dtype="int8")
        return mb.dequantize(input=q, scale=scale, zero_point=np.int8(zero))

    def weight(data, scale):
        zeros = np.zeros(len(scale), np.int8)
        return mb.constexpr_affine_dequantize(quantized_data=data, zero_point=zeros, scale=scale, axis=0)

    def emit(a):
        y = mb.conv(
            x=pair(a, s_in, z_in), weight=weight(w1, s1), bias=b1, strides=[2, 2], pad_type="custom", pad=[1] * 4
        )
        y = mb.max_pool(x=pair(mb.relu(x=y), s_mid, z_mid), kernel_sizes=[5, 4], pad_type="valid")
        y = mb.matmul(x=mb.reshape(x=y, shape=[1, 6]), y=weight(w2, s2), transpose_y=True)
        return pair(mb.add(x=y, y=b2), s_out, z_out)

    def quantize(value, scale, zero):
        return np.clip(np.rint(value.astype(np.float32) / scale) + zero, -128, 127).astype(np.int64)

    path = save(tmp_path / "a.mlpackage", emit, [x])
    q = np.pad(quantize(x, s_in, z_in) - int(z_in), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(q, (3, 3), axis=(2, 3))[:, :, ::2, ::2]  # (1, 3, 5, 4, 3, 3)
    sums = np.einsum("nchwij,ocij->nohw", windows, w1.astype(np.int64))
    real = sums * (np.float64(s_in) * s1[:, None, None]) + b1[:, None, None]
    q = quantize(np.maximum(real, 0), s_mid, z_mid).max((2, 3)) - int(z_mid)
    real = (q @ w2.T.astype(np.int64)) * (np.float64(s_mid) * s2) + b2
    expected = s_out * (quantize(real, s_out, z_out) - z_out).astype(np.float32)
    result = open_session(path).run({"a": x})["y0"]
    assert len(set(expected.flatten())) > 4
    np.testing.assert_array_equal(result, expected)
    assert {
        operand.literal.dtype.name
        for op in read_package(path).operations
        if op.type.startswith("constexpr")
        for operand in op.inputs["quantized_data"]
    } == {"int8"}


class FakeMLModel:
    """As coremltools documents MLModel: pictures in; a classifier gives its label and a dictionary."""

    def __init__(self, path, compute_units):
        self.compute_units = compute_units

    def predict(self, feeds):
        assert self.compute_units is ct.ComputeUnit.CPU_AND_NE
        red, _, blue = np.asarray(feeds["a"]).astype(float).transpose(2, 0, 1).mean((1, 2))
        return {"label": "red", "label_probs": {"blue": blue, "red": red}}


def test_what_core_ml_would_be_given(tmp_path, monkeypatch):
    """Our side of the path through Core ML; the other side needs a Mac."""
    config = ct.ClassifierConfig(["red", "blue"], predicted_feature_name="label")
    path = save(
        tmp_path / "a.mlpackage",
        lambda a: mb.reshape(x=mb.gather(x=mb.reduce_mean(x=a, axes=[2, 3]), indices=[0, 2], axis=1), shape=[1, 2]),
        [IMAGE],
        inputs=[ct.ImageType(name="a", shape=IMAGE.shape)],
        classifier_config=config,
    )
    feeds = {"a": IMAGE}
    ours = CoreMLSession(path).run(feeds)
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(ct.models, "MLModel", FakeMLModel)
    session = CoreMLSession(path, compute_units="cpu+ne")
    assert session.runtime == f"Core ML (coremltools {ct.__version__}, CPU_AND_NE)"
    np.testing.assert_allclose(session.run(feeds)["label_probs"], ours["label_probs"], rtol=1e-6)
