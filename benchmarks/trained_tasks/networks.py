"""A small one-stage detector, a segmenter and a keypoint network: of the kinds that run on phones.

Importing it makes them known to `edgeport.models`, with names that end in `_test`, so that no list has them.
"""

from collections.abc import Callable, Sequence

import torch
from edgeport.models import create_model
from edgeport.models.registry import register
from edgeport.models.spec import HALF, PreprocessSpec
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trained_tasks.scenes import FIGURE_SIDE, JOINTS, PIECE_SIDE, SHAPES, SIDE

STRIDES = (8, 16)
BINS = 10  # of the distribution over a side's distance, in strides
MEAN, STD = 127.5, 127.5


class Conv(nn.Sequential):
    """Convolution, batch norm, activation."""

    def __init__(self, width: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: type = nn.SiLU):
        super().__init__(
            nn.Conv2d(width, out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            act(inplace=True),
        )


class Residual(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, width: int, out: int, stride: int = 1, expand: int = 3, act: type = nn.SiLU):
        super().__init__()
        wide = width * expand
        self.body = nn.Sequential(
            Conv(width, wide, 1, act=act),
            Conv(wide, wide, 3, stride, groups=wide, act=act),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.adds = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, out, h / stride, w / stride)"""
        return x + self.body(x) if self.adds else self.body(x)


class Backbone(nn.Module):
    """Features at an 4th, an 8th and a 16th of the image's size."""

    def __init__(self, widths: Sequence[int] = (16, 24, 40, 64), act: type = nn.SiLU):
        super().__init__()
        first, *rest = widths
        self.stem = Conv(3, first, 3, 2, act=act)
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(a, b, 2, act=act), Residual(b, b, act=act))
            for a, b in zip(widths, rest, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, 3, h, w) -> features"""
        x, found = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class Detector(nn.Module):
    """Anchor-free, one box and its scores for each cell of two grids; a side's distance is the mean of a distribution
    over bins (generalised focal loss, https://arxiv.org/abs/2006.04388)."""

    def __init__(self, classes: int = len(SHAPES)):
        super().__init__()
        self.classes = classes
        self.backbone = Backbone()
        self.lateral = Conv(64, 40, 1)
        self.fuse = Residual(80, 40)
        self.down = Residual(40, 64, 2)
        self.heads = nn.ModuleList(
            nn.ModuleDict(
                {
                    "boxes": nn.Sequential(Conv(width, 32), Conv(32, 32), nn.Conv2d(32, 4 * BINS, 1)),
                    "scores": nn.Sequential(Conv(width, 32), Conv(32, 32), nn.Conv2d(32, classes, 1)),
                }
            )
            for width in (40, 64)
        )
        for head in self.heads:
            nn.init.constant_(head["scores"][-1].bias, -4.0)  # few cells have an object
        cells = [cell for stride in STRIDES for cell in _cells(stride)]
        self.register_buffer("centres", torch.tensor([[x, y] for x, y, _ in cells]).T[None], persistent=False)
        self.register_buffer("strides", torch.tensor([s for *_, s in cells])[None, None], persistent=False)
        self.register_buffer("bins", torch.arange(BINS, dtype=torch.float32), persistent=False)

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) -> logits of the bins (n, 4, BINS, cells), logits of the classes (n, classes, cells)"""
        _, fine, coarse = self.backbone(x)
        up = F.interpolate(self.lateral(coarse), scale_factor=2.0, mode="nearest")
        fine = self.fuse(torch.cat([fine, up], 1))
        coarse = coarse + self.down(fine)
        pairs = [(head["boxes"](y), head["scores"](y)) for head, y in zip(self.heads, (fine, coarse), strict=True)]
        boxes = torch.cat([box.flatten(2) for box, _ in pairs], 2)
        return boxes.unflatten(1, (4, BINS)), torch.cat([score.flatten(2) for _, score in pairs], 2)

    def corners(self, boxes: Tensor) -> Tensor:
        """Logits of the bins -> left, top, right, bottom in pixels (n, 4, cells)"""
        distances = (boxes.softmax(2) * self.bins[:, None]).sum(2) * self.strides
        return torch.cat([self.centres - distances[:, :2], self.centres + distances[:, 2:]], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 160, 160) -> (n, 4 + classes, cells): centre, size in pixels, probabilities"""
        boxes, scores = self.raw(x)
        first, last = self.corners(boxes).chunk(2, 1)
        return torch.cat([(first + last) / 2, last - first, scores.sigmoid()], 1)


def _cells(stride: int) -> list[tuple[float, float, float]]:
    """(x, y, stride) of the middle of each cell."""
    count = SIDE // stride
    return [((i + 0.5) * stride, (j + 0.5) * stride, float(stride)) for j in range(count) for i in range(count)]


class Segmenter(nn.Module):
    """An encoder and a decoder that adds finer features (https://arxiv.org/abs/1612.03144), ReLU6."""

    def __init__(self, classes: int = len(SHAPES) + 1):
        super().__init__()
        self.backbone = Backbone(act=nn.ReLU6)
        self.lateral = nn.ModuleList(Conv(width, 32, 1, act=nn.ReLU6) for width in (24, 40, 64))
        self.smooth = nn.ModuleList(Residual(32, 32, act=nn.ReLU6) for _ in range(2))
        self.head = nn.Conv2d(32, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, classes, h, w) logits"""
        fine, middle, coarse = (lateral(y) for lateral, y in zip(self.lateral, self.backbone(x), strict=True))
        y = self.smooth[0](middle + F.interpolate(coarse, scale_factor=2.0, mode="bilinear"))
        y = self.smooth[1](fine + F.interpolate(y, scale_factor=2.0, mode="bilinear"))
        return F.interpolate(self.head(y), scale_factor=4.0, mode="bilinear")


class Keypoints(nn.Module):
    """Heatmaps by transposed convolutions (https://arxiv.org/abs/1804.06208), hard-swish."""

    def __init__(self, joints: int = len(JOINTS)):
        super().__init__()
        self.backbone = Backbone(act=nn.Hardswish)
        self.up = nn.Sequential(_up(64, 48), _up(48, 32))
        self.head = nn.Conv2d(32, joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, joints, h / 4, w / 4), about 0 to 1"""
        return self.head(self.up(self.backbone(x)[-1]))


def _up(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(width, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.Hardswish(inplace=True)
    )


def embedder() -> nn.Module:
    """EfficientNet-Lite0 (ReLU6) without its classifier."""
    return create_model("tf_efficientnet_lite0", num_classes=0)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "detect": Detector,
    "segment": Segmenter,
    "keypoints": Keypoints,
    "embed": embedder,
}
SIDES = {"detect": SIDE, "segment": SIDE, "keypoints": FIGURE_SIDE, "embed": PIECE_SIDE}  # of the input, pixels


def model_name(task: str) -> str:
    """What `edgeport.models` calls the network of a task."""
    return f"{task}_trained_test"


def create(task: str) -> nn.Module:
    """The network of a task, in eval mode."""
    return NETWORKS[task]().eval()


for _task in NETWORKS:
    _spec = PreprocessSpec(input_size=(3, SIDES[_task], SIDES[_task]), mean=HALF, std=HALF, crop_pct=1.0)
    register(model_name(_task), lambda task, classes: create(task), _task, paper="", spec=_spec)
