"""torchvision's one-stage detectors as graphs: of one image's size, up to the boxes that are still to be suppressed."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...artifacts.errors import UsageError
from ...models.stated_preprocess import Preprocess

PLACE = "torchvision.models.detection."
# of a class: the activation of its scores, which of its classes is no object, and how an image becomes its input: SSD
# was trained on images of one size, the others on such as keep their ratio
KINDS = {
    "SSD": ("softmax", "first", "stretch"),
    "RetinaNet": ("sigmoid", "none", "letterbox"),
    "FCOS": ("sigmoid", "none", "letterbox"),
}
PIXELS_STD = 0.225  # of photographs' pixels from 0 to 1, by which ImageNet's normalisation divides
TWO_STAGES = ("FasterRCNN", "MaskRCNN", "KeypointRCNN")


class OneStageDetector(nn.Module):
    """An image (b, 3, h, w), normalised -> boxes (b, n, 4), corners in its pixels, and scores (b, n, classes).

    What torchvision does before, resizing and normalising, is `preprocess`, and what it does behind, thresholds and
    non-maximum suppression, are the settings of `stated_task`. Its parameters have the names that they have there.
    """

    def __init__(self, detector: nn.Module, kind: str, labels: tuple[str, ...] = ()):
        super().__init__()
        whole: Any = detector
        activation, background, resize = KINDS[kind]
        self.backbone, self.head = whole.backbone, whole.head
        self.activate = partial(torch.softmax, dim=-1) if activation == "softmax" else torch.sigmoid
        self._anchors, self._coder = whole.anchor_generator, whole.box_coder
        self.std = sum(whole.transform.image_std) / len(whole.transform.image_std)
        self.preprocess = Preprocess(
            mean=tuple(whole.transform.image_mean),
            std=tuple(whole.transform.image_std),
            scale=1 / 255,
            color="rgb",
            resize=resize,
            interpolation="bilinear",
        )
        self.stated_task = (
            f"detect:boxes,background={background},iou_threshold={whole.nms_thresh},lowest_score={whole.score_thresh}"
        )
        self.names = dict(enumerate(labels[1:] if background == "first" else labels))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.backbone(image)
        features = [features] if isinstance(features, Tensor) else list(features.values())
        found = self.head(features)
        scores = self.activate(found["cls_logits"])
        if "bbox_ctrness" in found:  # FCOS, equation 3 of arXiv:1904.01355v5
            scores = torch.sqrt(scores * torch.sigmoid(found["bbox_ctrness"]))
        boxes = self._decode(found["bbox_regression"], self._grid(image, features))
        height, width = image.shape[-2:]
        limits = boxes.new_tensor([width, height, width, height])
        return {"boxes": torch.minimum(boxes.clamp(min=0), limits), "scores": scores}

    def _grid(self, image: Tensor, features: list[Tensor]) -> Tensor:
        """(n, 4): the anchors of an image of this size, corners in pixels."""
        from torchvision.models.detection.image_list import ImageList

        return self._anchors(ImageList(image[:1], [(image.shape[-2], image.shape[-1])]), features)[0]

    def _decode(self, codes: Tensor, anchors: Tensor) -> Tensor:
        """(b, n, 4) and (n, 4) -> (b, n, 4) corners: R-CNN's code of boxes (arXiv:1311.2524, C), or FCOS's."""
        size = anchors[:, 2:] - anchors[:, :2]
        middle = anchors[:, :2] + size / 2
        if not hasattr(self._coder, "weights"):  # left, top, right, bottom from the middle, in sizes of the anchor
            return torch.cat([middle - codes[..., :2] * size, middle + codes[..., 2:] * size], -1)
        x, y, w, h = self._coder.weights
        at = codes[..., :2] / codes.new_tensor([x, y]) * size + middle
        scale = (codes[..., 2:] / codes.new_tensor([w, h])).clamp(max=self._coder.bbox_xform_clip)
        half = scale.exp() * size / 2
        return torch.cat([at - half, at + half], -1)


class OfScaledImage(nn.Module):
    """A detector of an image that is spread as ImageNet's normalisation leaves it: what weights are drawn with. SSD300
    takes numbers of pixels, and what it gives for them would be 60 times too large."""

    def __init__(self, detector: OneStageDetector):
        super().__init__()
        self.detector, self._spread = detector, PIXELS_STD / detector.std

    def forward(self, image: Tensor) -> Any:
        return self.detector(image * self._spread)


def to_graph_module(module: nn.Module, name: str, labels: tuple[str, ...] = ()) -> nn.Module:
    """A detector of torchvision's as a OneStageDetector; any other module as it is. Raises UsageError."""
    kinds = [kind.__name__ for kind in type(module).__mro__ if f"{kind.__module__}.".startswith(PLACE)]
    kind = next((each for each in kinds if each in KINDS), None)
    if kind:
        return OneStageDetector(module, kind, labels)
    if any(each in TWO_STAGES for each in kinds):
        raise UsageError(
            f"{name}: is a detector of two stages ({kinds[0]}), whose second looks at as many places as the first "
            "finds in the image, and a file has a fixed number; take one of one stage: ssdlite320_mobilenet_v3_large, "
            "ssd300_vgg16, fcos_resnet50_fpn, retinanet_resnet50_fpn"
        )
    return module


def size_of_detector(module: nn.Module) -> tuple[int, int, int] | None:
    """(3, height, width) at which torchvision runs a detector; where images keep their ratio, the square of the shorter
    side. None for any other module."""
    transform: Any = getattr(module, "transform", None)
    if not any(f"{kind.__module__}.".startswith(PLACE) for kind in type(module).__mro__) or transform is None:
        return None
    width, height = transform.fixed_size or (transform.min_size[-1],) * 2
    return 3, int(height), int(width)
