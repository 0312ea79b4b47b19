"""A detector's AP on labels: read from both formats, brought to the model's input, and told for float and int8."""

import json

import edgeport
import numpy as np
import pytest
import task_networks as networks
from edgeport.models import PreprocessSpec
from edgeport.models.preprocess import resize_and_crop
from edgeport.pipeline.data.annotations import read_annotations, to_input
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.tally import TaskTally
from edgeport.tasks.task import Port
from PIL import Image, ImageDraw

SIZE = (3, networks.SIDE, networks.SIDE)
NAMES = ("cat", "dog", "bird")


@pytest.mark.parametrize("way", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("size", [(200, 120), (90, 160), (96, 96)])
def test_boxes_go_where_their_pixels_go(way, size):
    """A white rectangle, resized as the model wants it, is where `to_input` says, to a pixel."""
    image, box = Image.new("RGB", size), (30, 40, 70, 90)
    ImageDraw.Draw(image).rectangle((*box[:2], box[2] - 1, box[3] - 1), fill="white")
    spec = PreprocessSpec(input_size=SIZE, resize=way, crop_pct=1.0, interpolation="bilinear", pad_value=0)
    y, x = np.nonzero(resize_and_crop(image, spec)[..., 0] > 127)
    seen = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
    assert np.abs(to_input(np.array([box], float), size, spec)[0] - seen).max() <= 1.01


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Photographs, and as their labels in both formats what the float detector finds, some of it left out."""
    folder, module = tmp_path_factory.mktemp("labelled"), networks.Detector().eval()
    networks.write_crops(folder / "photos", 10, seed=2)
    ports = [Port("y", (1, 7, 189))]
    tally = TaskTally(apply_statement(read_task("detect:yolo"), ports, SIZE[1:], "net"))
    images, rows = [], []
    (folder / "yolo").mkdir()
    for number, picture in enumerate(networks.crops(10, seed=2)):
        array = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
        (found,) = tally.answers({"y": module(networks.torch.from_numpy(array)).detach().numpy()})
        lines, name = [], f"{number:03}"
        images.append({"id": 7 * number, "file_name": f"{name}.png", "width": 96, "height": 96})
        for corners, score, each in zip(found.corners, found.scores, found.classes, strict=True):
            if score < 0.4:
                continue
            left, top, right, bottom = np.clip(corners, 0, networks.SIDE).tolist()
            wide, high = right - left, bottom - top
            where = [left + wide / 2, top + high / 2, wide, high]
            lines.append(" ".join(map(str, [each, *(value / networks.SIDE for value in where)])))
            rows.append({"id": len(rows), "image_id": 7 * number, "category_id": 10 * (2 - int(each)) + 1})
            rows[-1] |= {"bbox": [left, top, wide, high], "area": wide * high, "iscrowd": 0}
        (folder / "yolo" / f"{name}.txt").write_text("\n".join(lines))
    categories = [{"id": 10 * (2 - i) + 1, "name": name} for i, name in enumerate(NAMES)]
    (folder / "coco.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
    return folder


@pytest.mark.parametrize("labels", ["yolo", "coco.json"])
def test_the_loss_on_labels(labelled, tmp_path, labels):
    """Both formats say the same; the float artifact loses nothing, and its AP is that of the float model."""
    options = {"input_shape": SIZE, "preprocess": networks.PREPROCESS, "benchmark": False, "labels": NAMES}
    options |= {"task": "detect:yolo", "validation": labelled / "photos", "output_dir": tmp_path}
    result = edgeport.export(networks.Detector(), "onnx", annotations=labelled / labels, **options)
    told = {each.name: each for each in result.task.figures}
    assert told["ap_labels_float"].value > 0.5, "the labels are the detector's own, but for what is cut off and faint"
    assert told["ap_labels"].value == pytest.approx(told["ap_labels_float"].value, abs=1e-3)
    assert abs(told["ap_loss"].value) < 1e-3
    assert told["ap_labels"].standard_error > 0
    again = edgeport.validate(
        result.path, reference=networks.Detector(), data=labelled / "photos", annotations=labelled / labels
    )
    assert again.task["ap_labels"].value == pytest.approx(told["ap_labels"].value, abs=1e-9)


REFUSED = {
    "no such file": ("none.json", None, "none.json: cannot be read"),
    "no COCO file": ("bad.json", '{"images": 3}', "is no COCO file of instances"),
    "an empty folder": ("empty", None, "holds no .txt files"),
    "no labels": ("text", "0 1 2", "is no file of YOLO's labels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    name, content, sentence = REFUSED[case]
    (tmp_path / "empty").mkdir()
    if name == "text":
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(content)
    elif content:
        (tmp_path / name).write_text(content)
    with pytest.raises(edgeport.UsageError, match=sentence):
        read_annotations(tmp_path / name, None)(tmp_path / "a.png", (9, 9))
