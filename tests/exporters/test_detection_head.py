"""Non-maximum suppression behind a detector: the same boxes as the decoder's own, on every target."""

import dataclasses

import numpy as np
import pytest
from edgeport.artifacts.errors import ExportError, UsageError
from edgeport.exporters.detection_head import add_detection_head
from edgeport.runtime.session import TensorSpec
from edgeport.targets.registry import get_target, open_session
from edgeport.targets.target import Recipe
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.suppression import VALUES, SuppressedSession, Suppression, check_suppression
from edgeport.tasks.task import Port
from graphs import canonical, run_onnx

SIZE = (64, 48)
COLUMNS = "float[1,11,60] x"  # 4 + 7, of 60 boxes
ROWS = "float[1,60,11] x"
PAIR = "float[1,60,4] boxes, float[1,60,7] scores"
# what is said of the outputs -> (the graph's inputs, which are its outputs, too; what they are made of)
SAID = {
    "detect:yolo": COLUMNS,
    "detect:yolo,ignored=3,lowest_score=0.3": COLUMNS,
    "detect:yolo,box=xyxy,activation=sigmoid": COLUMNS,
    "detect:yolo5,iou_threshold=0.4": ROWS,
    "detect:yolo5,activation=sigmoid,background=last": ROWS,
    "detect:yolo5,values=classes,activation=softmax,background=first,unit=share,box=xywh": ROWS,
    "detect:yolo,ignored=6": COLUMNS,  # one class
    "detect:boxes,box=cxcywh,unit=share": PAIR,
}


def detector(said):
    """A canonical graph that gives what it takes, in a way that no pass sees through; and what that means."""
    ports = SAID[said].split(", ")
    names = [port.split()[1] for port in ports]
    outputs = [port.replace(" ", " y_") for port in ports]
    body = " ".join(f"y_{name} = Mul ({name}, one)" for name in names)
    model = canonical(f"g ({', '.join(ports)}) => ({', '.join(outputs)}) {{ {body} }}", {"one": [1.0000001]})
    shapes = [tuple(map(int, port.split("[")[1].split("]")[0].split(","))) for port in ports]
    specs = [TensorSpec(f"y_{name}", shape, "float32") for name, shape in zip(names, shapes, strict=True)]
    meaning = apply_statement(read_task(said), [Port(spec.name, spec.shape) for spec in specs], SIZE, "model")
    return model, meaning, names, specs


def drawn(names, said, seed):
    """Boxes of which many overlap, three to an object, with scores from 0 to 1."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.uniform(10, 40, (20, 2)), 3, 0) + rng.normal(0, 1, (60, 2))
    sizes = np.repeat(rng.uniform(6, 14, (20, 2)), 3, 0) + rng.normal(0, 0.5, (60, 2))
    boxes = np.concatenate([middles, sizes], 1)
    if "xyxy" in said:
        boxes = np.concatenate([middles - sizes / 2, middles + sizes / 2], 1)
    if "share" in said:
        boxes = boxes / np.tile(np.array(SIZE[::-1]), 2)
    scores = rng.uniform(0, 1, (60, 7)) ** 3
    if len(names) == 2:
        arrays = [boxes, scores]
    else:
        rows = np.concatenate([boxes, scores], 1)
        arrays = [rows.T if SAID[said] == COLUMNS else rows]
    return {name: array[None].astype(np.float32) for name, array in zip(names, arrays, strict=True)}


class Given:
    """A session that gives what it is fed."""

    threads, load_ms, runtime, emulated = 1, 0.0, "none", False

    def __init__(self, names, specs):
        self.inputs = tuple(dataclasses.replace(spec, name=name) for name, spec in zip(names, specs, strict=True))
        self.outputs = tuple(specs)

    def run(self, feeds):
        return {f"y_{name}": array for name, array in feeds.items()}

    def close(self):
        pass


def assert_same_boxes(got, wanted):
    assert wanted["num_detections"][0] > 3
    assert set(got) == set(wanted)
    for name, array in wanted.items():
        assert got[name].shape == array.shape, name
        np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("said", SAID)
def test_the_graph_gives_what_the_decoder_does(said):
    model, meaning, names, specs = detector(said)
    suppression = Suppression(meaning=meaning, max_detections=25)
    headed = add_detection_head(model, suppression)
    reference = SuppressedSession(Given(names, specs), suppression)
    assert [value.name for value in headed.graph.outputs] == [spec.name for spec in reference.outputs]
    assert (VALUES in {spec.name for spec in reference.outputs}) == ("ignored" in said)
    for seed in range(3):
        feeds = drawn(names, said, seed)
        assert_same_boxes(run_onnx(headed, feeds), reference.run(feeds))
    assert [value.name for value in model.graph.outputs] == [spec.name for spec in specs]  # as it was


@pytest.mark.parametrize("target", ["tflite", "openvino", "coreml", "onnx"])
def test_every_target_gives_the_same(target, tmp_path):
    said = "detect:yolo,ignored=3,lowest_score=0.3"
    model, meaning, names, specs = detector(said)
    known = get_target(target)
    if known.missing():
        pytest.skip(f"{target} needs {' and '.join(known.missing())}")
    suppression = Suppression(meaning=meaning, max_detections=40)
    recipe = Recipe(
        precision="fp32",
        metadata={"model": "m", "preprocess": None, "labels": None},
        profile=known.profile(None),
        options=known.own_options({}),
        suppression=suppression,
    )
    assert not known.why_no_suppression(recipe)
    path = tmp_path / f"m{known.ending}"
    known.write(model, path, recipe)
    session, reference = open_session(path), SuppressedSession(Given(names, specs), suppression)
    feeds = drawn(names, said, 0)
    assert_same_boxes(session.run(feeds), reference.run(feeds))
    session.close()


def test_what_cannot_be_suppressed_is_said():
    _, meaning, *_ = detector("detect:yolo")
    with pytest.raises(UsageError, match="--nms 0: from 1 to 300"):
        check_suppression(meaning, 0, "m")
    ready = dataclasses.replace(meaning, settings={**meaning.settings, "nms": False})
    with pytest.raises(UsageError, match=r"--nms: the boxes of m \(yolo\) need none"):
        check_suppression(ready, 10, "m")
    rows = [Port("y", (1, 10))]
    with pytest.raises(UsageError, match="--nms is for detectors; m is for classify, as --task says"):
        check_suppression(apply_statement(read_task("classify"), rows, SIZE, "m"), 10, "m")


def test_a_name_that_is_taken_is_refused():
    model, meaning, *_ = detector("detect:yolo")
    model.graph[0].outputs[0].name = "num_detections"
    taken = dataclasses.replace(meaning, outputs={"detections": "num_detections"})
    with pytest.raises(ExportError, match="'num_detections', which is what --nms would add"):
        add_detection_head(model, Suppression(meaning=taken, max_detections=5))
