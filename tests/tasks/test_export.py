"""Networks of every task, exported: what is found of their outputs, compared, judged, recorded and drawn."""


import edgeport
import pytest
import task_networks as networks
from edgeport import Manifest
from PIL import Image

QUICK = {"benchmark": False, "input_shape": (3, networks.SIDE, networks.SIDE), "preprocess": networks.PREPROCESS}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    networks.write_crops(folder / "calibration", 24)
    networks.write_crops(folder / "validation", 16, seed=1)
    return folder


@pytest.fixture
def export(photos, tmp_path):
    def run(module, target="tflite", **options):
        given = {"calibration": photos / "calibration", "validation": photos / "validation", "precision": "int8"}
        return edgeport.export(module, target, output_dir=tmp_path / "out", **(given | QUICK | options))

    return run


# task as it is said -> (the network, the task and head that it is)
STATED = {
    "detect": (lambda: networks.Detector("yolo"), "detect", "yolo"),
    "detect:detr": (lambda: networks.Detector("detr"), "detect", "detr"),
    "detect:rtdetr": (lambda: networks.Detector("rtdetr"), "detect", "rtdetr"),
    "detect:boxes,iou_threshold=0.6": (lambda: networks.Detector("boxes"), "detect", "boxes"),
    "segment": (lambda: networks.Dense("segment"), "segment", "logits"),
    "keypoints": (lambda: networks.Dense("keypoints"), "keypoints", "heatmaps"),
    "depth": (lambda: networks.Dense("depth"), "depth", "map"),
    "image": (lambda: networks.Dense("image"), "image", "unit"),
    "text": (lambda: networks.Dense("text"), "text", "ctc"),
    "embed": (lambda: networks.Dense("embed"), "embed", "vector"),
}


@pytest.mark.parametrize("said", STATED)
def test_int8_of_every_task(export, said):
    """The figures are there with their errors, better in fp32, the same in validate, and in the manifest."""
    make, task, head = STATED[said]
    module = make().eval()
    exact, rounded = (export(module, task=said, precision=precision) for precision in ("fp32", "int8"))
    for result in (exact, rounded):
        assert (result.task.task, result.task.head, result.task.samples) == (task, head, 16)
        assert not result.verdict.startswith("fail"), result.verdict
        assert str(result.task.main) in str(result)
    best, main = exact.task.main, rounded.task.main
    assert best.sign * best.value >= main.sign * main.value
    assert main.standard_error > 0
    record = Manifest.read(rounded.manifest_path).task
    assert record.figures[main.name].value == main.value
    assert record.told_by == "--task"
    assert rounded.to_json()["task"]["figures"][main.name] == {
        "value": main.value,
        "standard_error": main.standard_error,
    }
    again = edgeport.validate(rounded.path, reference=module, data=rounded_data(rounded))
    assert again.task.main.value == pytest.approx(main.value, abs=1e-6)
    assert again.verdict == rounded.verdict
    has_picture = task not in ("embed",)
    assert (rounded.pictures is not None) == has_picture
    if has_picture:
        picture = Image.open(rounded.pictures)
        assert record.pictures == rounded.pictures.name
        assert picture.width > 3 * 300


def rounded_data(result):
    return Manifest.read(result.manifest_path).validation.rpartition(", ")[0]
