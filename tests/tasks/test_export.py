"""Networks of every task, exported: what is found of their outputs, compared, judged, recorded and drawn."""

import base64

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


def test_a_budget_on_the_tasks_own_figure(export):
    """The search returns units to float until the boxes are those of the float model, which decibels do not tell."""
    detector = networks.Detector("detr").eval()
    plain = export(detector, task="detect:detr")
    found = export(detector, task="detect:detr", min_ap=0.97, budget_steps=6)
    budget, search = found.search.budget, found.search
    assert plain.task.main.value < 0.95
    assert (budget.goal, budget.limit, budget.samples, budget.searched_on) == ("min_ap", 0.97, 8, 8)
    steps = search.frontier
    assert len(steps) > 1
    assert steps[-1]["figure"] > steps[0]["figure"]
    assert steps[-1]["standard_error"] > 0
    assert found.search.kept_float
    if budget.met:
        assert found.task.main.value > plain.task.main.value
    recorded = Manifest.read(found.manifest_path).budget
    assert (recorded.reached, recorded.standard_error) == (budget.reached, budget.standard_error)
    assert f"AP with float {budget.reached:.3f} ± {budget.standard_error:.3f} on 8 held-out inputs" in search.table


def test_a_budget_says_the_task(export):
    result = export(networks.Dense("segment"), min_miou=0.5)
    assert (result.task.task, result.search.budget.met, result.search.kept_float) == ("segment", True, ())


REFUSED = {
    "min_ap is for detect": (
        "segment",
        {"task": "segment", "min_ap": 0.9},
        "--min-ap is for detect; Dense",
    ),
    "another shape": (
        "depth",
        {"min_miou": 0.5, "task": "detect"},
        r"Dense has logits \(1, 1, 12, 12\); wanted",
    ),
    "no such task": ("depth", {"task": "judge"}, "there is no task 'judge'; the tasks are classify, detect"),
    "no such head": ("depth", {"task": "detect:rcnn"}, "detect has no head 'rcnn'; it has end2end, yolo"),
    "no such setting": ("text", {"task": "text:ctc,blnk=first"}, "has no setting 'blnk'; did you mean blank"),
    "a wrong value": ("segment", {"task": "keypoints:heatmaps,pck=high"}, "pck must be like 0.05"),
    "no such word": ("text", {"task": "text:ctc,blank=middle"}, "blank is one of first, last, not 'middle'"),
    "two budgets": ("segment", {"min_miou": 0.5, "min_snr": 3.0}, "min_snr and min_miou: give one of them"),
    "out of range": ("segment", {"min_miou": 1.5}, "min_miou: must be a number from 0 to 1"),
    "labels": ("segment", {"task": "segment", "labels": ["a", "b"]}, "has 2 labels, the model's outputs are for 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(export, case):
    network, options, sentence = REFUSED[case]
    with pytest.raises(edgeport.UsageError, match=sentence):
        export(networks.Dense(network), **options)


def test_a_budget_needs_answers(export):
    with pytest.raises(edgeport.UsageError, match="the float model finds no objects in these inputs, so --min-ap"):
        export(networks.Detector().eval(), task="detect:yolo,score_threshold=1.0", min_ap=0.9)


def test_what_is_told_of_a_task(export, tmp_path):
    """In the page of a report with its picture, in info, in the table of the command, and inside of the artifact."""
    from edgeport.cli import export as command
    from edgeport.cli import info as information

    result = export(networks.Dense("segment"), task="segment", labels=["sky", "sea", "land", "boat"])
    main = str(result.task.main)
    report = edgeport.report(tmp_path / "out")
    page = report.page.read_text()
    assert base64.b64encode(result.pictures.read_bytes()).decode() in page
    assert main in page
    assert main in report.to_markdown()
    (row,) = report.rows
    assert (row.answers, row.facts["task"]) == (main, "segment, head logits, by --task")
    lines = list(information.of_artifact(edgeport.info(result.path)))
    assert ("task", "segment, head logits (by --task), scores: logits") in lines
    table = command.without_empty(command.HEADER, [command.cells(result)])
    assert dict(zip(table[0], table[1][0], strict=True))["task"] == main
    assert "top-1" not in table[0]
    assert b'"segment"' in result.path.read_bytes()
    assert Manifest.read(result.manifest_path).task.labels == ("sky", "sea", "land", "boat")


def test_a_new_export_takes_the_old_pictures_away(export):
    first = export(networks.Dense("segment"), task="segment", precision="fp32")
    assert first.pictures.is_file()
    second = export(networks.Dense("segment"), task="segment", precision="fp32", validate=False)
    assert (second.path, second.pictures, second.task) == (first.path, None, None)
    assert not first.pictures.exists()


def test_generated_inputs_are_not_drawn(export):
    result = export(networks.Dense("segment"), task="segment", precision="fp32", validation=None, calibration=None)
    assert (result.pictures, result.task.task) == (None, "segment")


@pytest.mark.parametrize("target", ["openvino", "coreml", "onnx"])
def test_the_answers_are_those_of_the_target(export, target):
    result = export(networks.Detector(), target, precision="fp32", num_validation_samples=4)
    assert (result.task.task, result.task.head) == ("detect", "yolo")
    assert result.task.main.value == 1.0
    record = Manifest.read(result.manifest_path).task
    assert record.outputs["detections"] in {each.name for each in edgeport.open_session(result.path).outputs}
    assert record.settings["box"] == "cxcywh"


def test_what_is_not_plain_is_said(export):
    notes = []
    export(networks.Dense("segment"), precision="fp32", validate=False, progress=lambda event: notes.append(event.text))
    assert any("--task says it: segment, keypoints" in note for note in notes)


def test_suppression_in_the_artifact(export):
    """It gives the boxes themselves, is compared by them, also later, and the manifest says what it reads."""
    module = networks.Detector("yolo").eval()
    plain, result = (export(module, task="detect", nms=count, num_validation_samples=8) for count in (0, 20))
    assert result.task.head == "nms"
    assert result.task.main.value == pytest.approx(plain.task.main.value, abs=0.1)  # of 20 boxes, not of 300
    manifest = Manifest.read(result.manifest_path)
    shapes = {output.name: output.shape for output in manifest.outputs}
    assert shapes == {
        "detection_boxes": (1, 20, 4),
        "detection_scores": (1, 20),
        "detection_classes": (1, 20),
        "num_detections": (1,),
    }
    assert manifest.task.settings["max_detections"] == manifest.task.suppressed.max_detections == 20
    assert manifest.task.suppressed.head == "yolo"
    again = edgeport.validate(result.path, reference=module, data=rounded_data(result), num_validation_samples=8)
    assert again.task.main.value == pytest.approx(result.task.main.value, abs=1e-6)
    assert again.verdict == result.verdict


def test_a_target_without_suppression_says_so(export):
    """The artifact gives all boxes, as without the option."""
    told = []
    module = networks.Detector("yolo").eval()
    options = {"precision": "fp32", "coreml_target": "iOS16", "task": "detect", "nms": 20, "num_validation_samples": 2}
    result = export(module, "coreml", progress=lambda event: told.append(event.text), **options)
    assert result.task.head == "yolo"
    assert Manifest.read(result.manifest_path).task.suppressed is None
    assert any("the artifact gives all boxes: it needs iOS 17" in text for text in told)


def test_suppression_is_for_boxes(export):
    with pytest.raises(edgeport.UsageError, match=r"--nms is for detectors; .* is for embed, as --task says"):
        export(networks.Dense("embed"), task="embed", nms=20, precision="fp32")
