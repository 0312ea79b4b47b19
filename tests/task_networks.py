"""Small networks of every task, whose answers depend on the photograph: seeded, with biases set on photographs."""

from pathlib import Path

import numpy as np
import torch
from demo import photograph
from torch import nn

SIDE = 96
NAMES = ("astronaut", "coffee", "chelsea", "rocket", "china", "flower", "motorcycle_left", "brick")
PREPROCESS = {"scale": "1/255", "resize": "stretch"}
CLASSES = 3
HUGE = 300.0  # a weight beside which 8 bits round all others of its channel away


def crops(count: int, seed: int = 0) -> list:
    """Random square crops of photographs, SIDE pixels large."""
    rng, made = np.random.default_rng(seed), []
    for i in range(count):
        picture = photograph(NAMES[i % len(NAMES)]).convert("RGB")
        side = int(min(picture.size) * rng.uniform(0.4, 1))
        left, top = (int(rng.integers(0, s - side + 1)) for s in picture.size)
        made.append(picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE)))
    return made


def write_crops(folder: Path, count: int, seed: int = 0) -> Path:
    """The same as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(crops(count, seed)):
        picture.save(folder / f"{i:03}.png")
    return folder


def tensors(count: int = 8, seed: int = 9) -> torch.Tensor:
    """(n, 3, SIDE, SIDE) as the networks take them."""
    return torch.stack(
        [torch.from_numpy(np.asarray(each, np.float32) / 255).permute(2, 0, 1) for each in crops(count, seed)]
    )


class Backbone(nn.Sequential):
    """(n, 3, s, s) -> (n, 24, s / 8, s / 8)."""

    def __init__(self):
        torch.manual_seed(3)
        layers: list[nn.Module] = []
        for channels, wide in ((3, 16), (16, 24), (24, 24)):
            layers += [nn.Conv2d(channels, wide, 3, 2, 1), nn.BatchNorm2d(wide), nn.ReLU()]
        super().__init__(*layers)
        with torch.no_grad():
            self.train()(tensors())  # batch statistics of photographs
            self.train()(tensors(seed=8))


def set_bias(layer: nn.Conv2d, features: torch.Tensor, share: float, spread: float) -> None:
    """Scales a layer so that each output has a standard deviation, and is above 0 for a share of the features."""
    with torch.no_grad():
        found = layer(features)
        factor = spread / found.std((0, 2, 3))
        layer.weight.mul_(factor[:, None, None, None])
        assert layer.bias is not None
        layer.bias.zero_()
        scaled = layer(features).transpose(0, 1).flatten(1)
        layer.bias.copy_(-torch.quantile(scaled, 1 - share, dim=1))


class Detector(nn.Module):
    """One stage, three strides: each cell has a score for each class, and the distances to the sides of its box."""

    def __init__(self, head: str = "yolo"):
        super().__init__()
        self.backbone = Backbone()
        self.pool = nn.AvgPool2d(2)
        self.scores, self.sides = nn.Conv2d(24, CLASSES, 1), nn.Conv2d(24, 4, 1)
        self.head = head
        with torch.no_grad():
            features = self.backbone.eval()(tensors())
        set_bias(self.scores, features, 0.03, 3.0)
        set_bias(self.sides, features, 0.9, 0.7)
        at, strides = [], []
        for stride in (8, 16, 32):
            line = (torch.arange(SIDE // stride) + 0.5) * stride
            y, x = torch.meshgrid(line, line, indexing="ij")
            at.append(torch.stack([x, y]).flatten(1))
            strides.append(torch.full((at[-1].shape[1],), float(stride)))
        self.register_buffer("at", torch.cat(at, 1)[None])
        self.register_buffer("strides", torch.cat(strides)[None, None])

    def forward(self, image):
        y, scores, sides = self.backbone(image), [], []
        for level in range(3):
            y = y if level == 0 else self.pool(y)
            scores.append(self.scores(y).flatten(2))
            sides.append(self.sides(y).flatten(2))
        logits, sides = torch.cat(scores, 2), torch.relu(torch.cat(sides, 2)) * self.strides
        low, high = self.at - sides[:, :2], self.at + sides[:, 2:]
        centred = torch.cat([(low + high) / 2, high - low], 1)
        if self.head == "yolo":
            return torch.cat([centred, logits.sigmoid()], 1)
        if self.head == "boxes":
            return {"boxes": torch.cat([low, high], 1).transpose(1, 2), "scores": logits.sigmoid().transpose(1, 2)}
        nothing = torch.zeros_like(logits[:, :1])
        shown = torch.cat([logits, nothing], 1) if self.head == "detr" else logits
        return {"logits": shown.transpose(1, 2), "pred_boxes": (centred / SIDE).transpose(1, 2)}


class Dense(nn.Module):
    """A backbone, and a layer of its own for each task."""

    def __init__(self, task: str):
        super().__init__()
        self.backbone, self.task = Backbone(), task
        self.last = nn.Conv2d(
            24, {"segment": 4, "keypoints": 5, "depth": 1, "image": 12, "text": 12, "embed": 24}[task], 1
        )
        with torch.no_grad():
            set_bias(self.last, self.backbone.eval()(tensors()), 0.5, 2.0)
        self.eval()

    def forward(self, image):
        y = self.last(self.backbone(image))
        if self.task == "segment":
            return nn.functional.interpolate(y, scale_factor=4.0, mode="bilinear", align_corners=False)
        if self.task == "depth":
            return nn.functional.softplus(y) + 0.5
        if self.task == "image":
            small = torch.sigmoid(nn.functional.pixel_shuffle(y, 2))
            return nn.functional.interpolate(small, scale_factor=8.0, mode="bilinear", align_corners=False)
        if self.task == "text":
            return y.mean(2).transpose(1, 2).softmax(2)
        return y.mean((2, 3)) if self.task == "embed" else y


def spoil(network: "Detector | Dense") -> nn.Module:
    """The same in float: a channel that is always 0 has huge weights in the convolution that reads it."""
    first, norm, _, second, *_ = network.backbone
    with torch.no_grad():
        first.weight[0], first.bias[0] = 0, 0
        norm.running_mean[0], norm.bias[0] = 0, -1
        second.weight[:, 0] = HUGE
    return network.eval()
