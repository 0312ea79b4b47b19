"""A graph that was lowered for one size, opened for others: at each it gives what the graph of that size gives."""

from dataclasses import asdict

import numpy as np
import onnxruntime
import pytest
from edgeport.artifacts.errors import FeedError, UnsupportedOp
from edgeport.artifacts.sizes import Side, Sizes
from edgeport.exporters.coreml import convert as to_coreml
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.exporters.size_comparison import mark_sizes
from edgeport.targets.registry import open_session
from graphs import canonical
from tflite_convert import convert as to_tflite

RANGE = Side.of(range(8, 25, 8))
SIZES = Sizes(height=RANGE, width=RANGE, default=(16, 16))
UNSEEN = (24, 16)  # no corner: nothing was compared there
WIDE = Sizes(height=Side.of((16,)), width=Side.of(range(8, 41, 8)), default=(16, 16))
FILES = ("onnx", "openvino", "tflite", "coreml")
CONV = {"w": (4, 3, 3, 3), "b": (4,)}

# what has a size in it -> (body, constants at a height and width, the output's shape)
CASES = {
    "conv and mean": (
        "c = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w, b) y = ReduceMean <keepdims=1> (c, a)",
        lambda h, w: {**CONV, "a": [2, 3]},
        lambda h, w: (1, 4, 1, 1),
    ),
    "positions and back": (
        "r = Reshape (x, s) t = Transpose <perm=[0,2,1]> (r) m = MatMul (t, k) e = Softmax <axis=1> (m) "
        "u = Transpose <perm=[0,2,1]> (e) y = Reshape (u, o)",
        lambda h, w: {"s": [1, 3, h * w], "k": (3, 5), "o": [1, 5, h, w]},
        lambda h, w: (1, 5, h, w),
    ),
    "windows": (
        "r = Reshape (x, s) t = Transpose <perm=[0,2,4,1,3,5]> (r) v = Reshape (t, p) e = Softmax <axis=1> (v) "
        "q = Reshape (e, k) u = Transpose <perm=[0,3,1,4,2,5]> (q) y = Reshape (u, o)",
        lambda h, w: {
            "s": [1, 3, h // 4, 4, w // 4, 4],
            "p": [h * w // 16, 48],
            "k": [1, h // 4, w // 4, 3, 4, 4],
            "o": [1, 3, h, w],
        },
        lambda h, w: (1, 3, h, w),
    ),
    "bilinear to another's size": (
        'c = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w, b) r = Resize <mode="linear", '
        'coordinate_transformation_mode="half_pixel"> (c,,,s) y = Concat <axis=1> (r, x)',
        lambda h, w: {**CONV, "s": [1, 4, h, w]},
        lambda h, w: (1, 7, h, w),
    ),
    "bilinear from one place": (
        'm = ReduceMean <keepdims=1> (x, a) r = Resize <mode="linear", coordinate_transformation_mode="half_pixel"> '
        "(m,,,s) y = Add (r, x)",
        lambda h, w: {"a": [2, 3], "s": [1, 3, h, w]},
        lambda h, w: (1, 3, h, w),
    ),
    "nearest": (
        'y = Resize <mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"> (x,,,s)',
        lambda h, w: {"s": [1, 3, 2 * h, 3 * w]},
        lambda h, w: (1, 3, 2 * h, 3 * w),
    ),
    "transposed convolution": (
        "y = ConvTranspose <strides=[2,2]> (x, w, b)",
        lambda h, w: {"w": (3, 4, 2, 2), "b": (4,)},
        lambda h, w: (1, 4, 2 * h, 2 * w),
    ),
    "transposed convolution that is cut": (
        "y = ConvTranspose <strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]> (x, w, b)",
        lambda h, w: {"w": (3, 4, 3, 3), "b": (4,)},
        lambda h, w: (1, 4, 2 * h, 2 * w),
    ),
    "all but a frame": (
        "y = Slice (x, f, e, a, s)",
        lambda h, w: {"f": [h // 8, 0], "e": [h, w // 2], "a": [2, 3], "s": [1, 1]},
        lambda h, w: (1, 3, h - h // 8, w // 2),
    ),
    "normalised over the map": (
        "r = Reshape (x, s) n = LayerNormalization <axis=-1> (r, k, z) y = Reshape (n, o)",
        lambda h, w: {
            "s": [1, 3 * h * w],
            "k": np.full(3 * h * w, 2, np.float32),
            "z": np.full(3 * h * w, 1, np.float32),
            "o": [1, 3, h, w],
        },
        lambda h, w: (1, 3, h, w),
    ),
    "mirrored border": (
        'p = Pad <mode="reflect"> (x, g) y = Conv (p, w, b)',
        lambda h, w: {**CONV, "g": [0, 0, 2, 3, 0, 0, 2, 3]},
        lambda h, w: (1, 4, h + 2, w + 4),
    ),
    "rolled": (
        "p = Slice (x, z, k, a, s) q = Slice (x, k, e, a, s) y = Concat <axis=2> (q, p)",
        lambda h, w: {"z": [0], "k": [3], "e": [h], "a": [2], "s": [1]},
        lambda h, w: (1, 3, h, w),
    ),
}


def at(what, size):
    body, constants, out = CASES[what]
    h, w = size
    dims = ",".join(map(str, out(h, w)))
    return canonical(f"g (float[1,3,{h},{w}] x) => (float[{dims}] y) {{ {body} }}", constants(h, w))


def marked(what, sizes=SIZES):
    graph = at(what, sizes.default)
    mark_sizes(graph, sizes.default, {size: at(what, size) for size in sizes.corners})
    return graph


def written(graph, target, folder, sizes=SIZES):
    facts = {"model": "g", "labels": None, "sizes": asdict(sizes)}
    if target == "openvino":
        (folder / "ir").mkdir()
        to_openvino(graph, folder / "ir", sizes=sizes, metadata=facts)
        return folder / "ir" / "g.xml"
    path = folder / f"g{dict(onnx='.onnx', tflite='.tflite', coreml='.mlpackage')[target]}"
    if target == "coreml":
        to_coreml(graph, path, sizes=sizes, metadata=facts)
    elif target == "tflite":
        path.write_bytes(to_tflite(graph, sizes=sizes, metadata=facts))
    else:
        path.write_bytes(to_onnx(graph, sizes=sizes, metadata=facts))
    return path


@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize("what", CASES)
def test_each_size_gets_what_its_own_graph_gives(what, target, tmp_path):
    """Beside ONNX Runtime on the graph that was made for that size; one session takes them in turn."""
    graph = marked(what)
    session = open_session(written(graph, target, tmp_path))
    assert session.inputs[0].shape == (1, 3, 16, 16)
    assert session.inputs[0].sizes == SIZES
    for size in (*SIZES.corners, UNSEEN, SIZES.default):
        x = np.random.default_rng(sum(size)).standard_normal((1, 3, *size)).astype(np.float32)
        alone = onnxruntime.InferenceSession(to_onnx(at(what, size)), providers=["CPUExecutionProvider"])
        (wanted,) = alone.run(None, {"x": x})
        np.testing.assert_allclose(session.run({"x": x})["y"], wanted, rtol=1e-4, atol=1e-5, err_msg=str(size))
    with pytest.raises(FeedError, match="height and width each from 8 to 24 in steps of 8"):
        session.run({"x": np.zeros((1, 3, 16, 12), np.float32)})
    session.close()


@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize("what", ["windows", "bilinear to another's size", "positions and back"])
def test_one_open_side(what, target, tmp_path):
    """The height stays a number of the file, also where shapes are products of both."""
    session = open_session(written(marked(what, WIDE), target, tmp_path, WIDE))
    for width in WIDE.width.lengths:
        x = np.random.default_rng(width).standard_normal((1, 3, 16, width)).astype(np.float32)
        alone = onnxruntime.InferenceSession(to_onnx(at(what, (16, width))), providers=["CPUExecutionProvider"])
        (wanted,) = alone.run(None, {"x": x})
        np.testing.assert_allclose(session.run({"x": x})["y"], wanted, rtol=1e-4, atol=1e-5, err_msg=str(width))
    with pytest.raises(FeedError, match="height 16, width from 8 to 40 in steps of 8"):
        session.run({"x": np.zeros((1, 3, 8, 16), np.float32)})
    session.close()


@pytest.mark.parametrize("target", FILES)
def test_the_same_graph_gives_the_same_bytes(target, tmp_path):
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = written(marked("windows"), target, tmp_path / name)
        files.append([each.read_bytes() for each in sorted(path.rglob("*") if path.is_dir() else [path])
                      if each.is_file()])  # fmt: skip
    assert files[0] == files[1]


def test_opening_changes_nothing_of_a_file_of_one_size():
    """The marks stay inside: a graph with them becomes the file that it becomes without."""
    facts = {"model": "g", "labels": None}
    for convert in (to_onnx, to_tflite):
        with_marks = convert(marked("bilinear to another's size"), metadata=facts)
        assert with_marks == convert(at("bilinear to another's size", SIZES.default), metadata=facts)


@pytest.mark.parametrize("what", ["windows", "bilinear to another's size", "transposed convolution that is cut"])
def test_apples_own_reader_follows_the_shapes(what, tmp_path):
    """coremltools reads the program back, and infers from its operations the shapes that it declares."""
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.converters.mil.mil.types.symbolic import any_symbolic

    path = written(marked(what), "coreml", tmp_path)
    model = ct.models.MLModel(str(path), skip_model_load=True)
    program = load(model.get_spec(), specification_version=8, file_weights_dir=model.weights_dir)
    (function,) = program.functions.values()
    (image,) = function.inputs.values()
    (out,) = function.outputs
    assert any_symbolic(image.shape)
    assert any_symbolic(out.shape)
    declared = model.get_spec().description.input[0].type.multiArrayType.shapeRange.sizeRanges
    assert [(each.lowerBound, each.upperBound) for each in declared] == [(1, 1), (3, 3), (8, 24), (8, 24)]


@pytest.mark.parametrize("listed", [(), (8, 16, 24)])
def test_apples_images(listed, tmp_path):
    """An image input has its sizes in its own words."""
    import coremltools as ct

    side = Side.of(listed) if listed else RANGE
    sizes = Sizes(height=side, width=side, default=(16, 16))
    path = tmp_path / "g.mlpackage"
    facts = {"model": "g", "labels": None, "sizes": asdict(sizes)}
    to_coreml(marked("nearest"), path, sizes=sizes, image_input=True, metadata=facts)
    image = ct.utils.load_spec(str(path)).description.input[0].type.imageType
    assert (image.height, image.width) == (16, 16)
    if listed:
        held = {(each.height, each.width) for each in image.enumeratedSizes.sizes}
        assert held == {(h, w) for h in listed for w in listed}
    else:
        bounds = image.imageSizeRange.heightRange, image.imageSizeRange.widthRange
        assert [(each.lowerBound, each.upperBound) for each in bounds] == [(8, 24)] * 2
    session = open_session(path)
    assert session.inputs[0].dtype == "uint8"
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 24, 8)).astype(np.uint8)
    np.testing.assert_array_equal(session.run({"x": pixels})["y"], pixels.repeat(2, 2).repeat(3, 3))


def test_openvino_knows_the_bounds(tmp_path):
    import openvino

    model = openvino.Core().read_model(written(marked("conv and mean"), "openvino", tmp_path))
    assert [(dim.min_length, dim.max_length) for dim in model.input().partial_shape] == [
        (1, 1),
        (3, 3),
        (8, 24),
        (8, 24),
    ]


def test_tflite_has_no_tensor_whose_size_is_known_when_it_runs(tmp_path):
    """Shapes are computed when memory is allocated: after a resize every tensor has its size before the first run."""
    from ai_edge_litert.interpreter import Interpreter

    path = written(marked("windows"), "tflite", tmp_path)
    interpreter = Interpreter(model_path=str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert taken["shape_signature"].tolist() == [1, -1, -1, 3]
    interpreter.resize_tensor_input(taken["index"], [1, 24, 8, 3], strict=True)
    interpreter.allocate_tensors()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 3, 24, 8]
    with pytest.raises(RuntimeError, match="Attempting to resize dimension 3"):
        interpreter.resize_tensor_input(taken["index"], [1, 24, 8, 4], strict=True)
    assert given["shape_signature"].tolist() == [1, 3, -1, -1]


ONE_SIZE = {
    "numbers of one size": (
        "y = Add (x, k)",
        lambda h, w: {"k": np.full((1, 3, h, w), h, np.float32)},
        r"holds 3x16x16 numbers that were made for 16x16",
    ),
    "a window as large as the map": (
        "a = AveragePool <kernel_shape=[K,2]> (x) y = Relu (a)",
        lambda h, w: {},
        r"has kernel_shape \(4, 2\) at 16x16 and \(2, 2\) at 8x8",
    ),
    "something else": (
        "y = OP (x)",
        lambda h, w: {},
        r"Relu 'y' at 16x16 is Sigmoid 'y' at 8x8: the model computes something else there",
    ),
}


@pytest.mark.parametrize("what", ONE_SIZE)
def test_what_is_of_one_size_is_named(what):
    body, constants, said = ONE_SIZE[what]

    def made(size):
        h, w = size
        text = body.replace("K", str(h // 4)).replace("OP", "Relu" if h == 16 else "Sigmoid")
        return canonical(f"g (float[1,3,{h},{w}] x) => (float[N,C,H,W] y) {{ {text} }}", constants(h, w))

    with pytest.raises(UnsupportedOp, match=f"--dynamic size: .*{said}.*export once for each size"):
        mark_sizes(made((16, 16)), (16, 16), {(8, 8): made((8, 8))})
