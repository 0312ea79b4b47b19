"""A detector trained in seconds finds what is drawn on photographs, and still finds it in int8."""

import json

import edgeport
import numpy as np
import pytest
import task_networks as networks
import torch
from PIL import ImageDraw
from torch import nn
from torch.nn import functional as F

COLOURS = ((230, 40, 40), (40, 210, 60), (50, 70, 240))  # of the classes, which are a disc, a box and a disc
SIDE, STRIDE = networks.SIDE, 8
STEPS, BATCH, PICTURES, RATE = 200, 12, 240, 0.01


class Detector(nn.Module):
    """Each cell of one grid has a score for each class, and the distances to the sides of its box in strides."""

    def __init__(self):
        super().__init__()
        layers = []
        for channels, wide, stride, dilation in ((3, 16, 2, 1), (16, 24, 2, 1), (24, 32, 2, 1), (32, 32, 1, 2)):
            convolution = nn.Conv2d(channels, wide, 3, stride, dilation, dilation, bias=False)
            layers += [convolution, nn.BatchNorm2d(wide), nn.SiLU()]
        self.backbone = nn.Sequential(*layers)
        self.scores, self.sides = nn.Conv2d(32, len(COLOURS), 1), nn.Conv2d(32, 4, 1)
        nn.init.constant_(self.scores.bias, -4.0)  # few cells have an object
        line = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("at", torch.stack([x, y]).flatten(1)[None])

    def forward(self, image):
        y = self.backbone(image)
        sides = F.softplus(self.sides(y)).flatten(2) * STRIDE
        boxes = torch.cat([self.at - sides[:, :2], self.at + sides[:, 2:]], 1)
        return {"boxes": boxes.transpose(1, 2), "scores": self.scores(y).flatten(2).sigmoid().transpose(1, 2)}


def draw(picture, rng):
    """One to three objects on a photograph, not over one another: (corners (n, 4), classes (n,))."""
    corners, classes = [], []
    for _ in range(int(rng.integers(1, 4))):
        sides = rng.integers(16, 45, 2)
        low = rng.integers(0, SIDE - sides + 1)
        box = (*low.tolist(), *(low + sides).tolist())
        if any(box[0] < each[2] and each[0] < box[2] and box[1] < each[3] and each[1] < box[3] for each in corners):
            continue
        each = int(rng.integers(3))
        shape = ImageDraw.Draw(picture).rectangle if each == 1 else ImageDraw.Draw(picture).ellipse
        shape((box[0], box[1], box[2] - 1, box[3] - 1), fill=tuple(rng.integers(-25, 26, 3) + COLOURS[each]))
        corners.append(box)
        classes.append(each)
    return np.array(corners, np.float32), np.array(classes)


def scenes(count, seed):
    rng = np.random.default_rng(seed)
    return [(picture, *draw(picture, rng)) for picture in networks.crops(count, seed)]


def targets(module, corners, classes):
    """(class scores (3, cells), corners (4, cells), which cells have an object (cells,)): those around its middle."""
    at = module.at[0]
    scores, wanted = torch.zeros(len(COLOURS), at.shape[1]), torch.zeros(4, at.shape[1])
    for box, each in zip(torch.from_numpy(corners), classes, strict=True):
        near = ((at - (box[:2] + box[2:])[:, None] / 2).abs() < STRIDE).all(0)
        scores[each, near], wanted[:, near] = 1, box[:, None]
    return scores, wanted, scores.any(0)


def train():
    """The detector in eval mode, on one thread the same one each time."""
    torch.manual_seed(0)
    module, drawn = Detector().train(), scenes(PICTURES, seed=5)
    pixels = torch.stack([torch.from_numpy(np.array(each, np.float32) / 255).permute(2, 0, 1) for each, *_ in drawn])
    scores, boxes, there = map(torch.stack, zip(*(targets(module, *each[1:]) for each in drawn), strict=True))
    optimizer = torch.optim.AdamW(module.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    for _ in range(STEPS):
        some = torch.randint(PICTURES, (BATCH,))
        found = module(pixels[some])
        p, corners = found["scores"].transpose(1, 2), found["boxes"].transpose(1, 2)
        entropy = F.binary_cross_entropy(p, scores[some], reduction="none")
        loss = (entropy * (scores[some] - p).abs() ** 2).sum() / there[some].sum()
        loss = loss + ((corners - boxes[some]).abs().mean(1)[there[some]] / STRIDE).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return module.eval()


@pytest.fixture(scope="module")
def detector():
    return train()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folders of pictures that training has not seen, and COCO's labels of those that test."""
    folder = tmp_path_factory.mktemp("drawn")
    images, annotations = [], []
    for split, count, seed in (("calibration", 48, 6), ("test", 80, 7)):
        (folder / split).mkdir()
        for number, (picture, corners, classes) in enumerate(scenes(count, seed)):
            picture.save(folder / split / f"{number:03}.png")
            if split == "calibration":
                continue
            images.append({"id": number, "file_name": f"{number:03}.png", "width": SIDE, "height": SIDE})
            for (left, top, right, bottom), each in zip(corners.tolist(), classes.tolist(), strict=True):
                size = right - left, bottom - top
                row = {"id": len(annotations) + 1, "image_id": number, "category_id": each + 1, "iscrowd": 0}
                annotations.append(row | {"bbox": [left, top, *size], "area": size[0] * size[1]})
    categories = [{"id": each + 1, "name": name} for each, name in enumerate(("red", "green", "blue"))]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "test.json").write_text(json.dumps(labels))
    return folder


@pytest.mark.parametrize("target", ["tflite", "openvino"])
def test_int8_detects(detector, pictures, target, tmp_path):
    result = edgeport.export(
        detector,
        target,
        precision="int8",
        calibration=pictures / "calibration",
        validation=pictures / "test",
        num_validation_samples=80,
        annotations=pictures / "test.json",
        task="detect:boxes",
        labels=("red", "green", "blue"),
        input_shape=(3, SIDE, SIDE),
        preprocess=networks.PREPROCESS,
        benchmark=False,
        output_dir=tmp_path,
    )
    told = {each.name: each.value for each in result.task.figures}
    assert told["ap_labels_float"] > 0.4, "else the rest says nothing"
    assert told["ap_loss"] < 0.015
    assert told["ap"] > 0.9
    assert result.verdict == "ok"
