"""What a model takes in and what is known of it: the records that the registry and its index are made of."""

from dataclasses import dataclass

# Channel means and standard deviations of images scaled to 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec:
    """How an image becomes a model's input.

    input_size is (channels, height, width); mean and std are per channel, of images scaled to 0..1; crop_pct is the
    share of the resized image's side that the centre crop keeps.
    """

    input_size: tuple[int, int, int] = (3, 224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bicubic"
    crop_pct: float = 0.875


@dataclass(frozen=True, kw_only=True)
class Variant(PreprocessSpec):
    """A named model: a row of its family's table, with the preprocessing its published weights were trained for."""

    name: str
    family: str  # the file in this package that builds it
    paper: str
    num_classes: int = 1000
    params: int = 0  # learnable scalars with num_classes classes; counted when index.py is written
    macs: int = 0  # multiply-accumulates of one image of input_size; of the fused model, by the rule of macs.py
