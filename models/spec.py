"""What a model takes in and what is known of it: the records that the registry and its index are made of."""

from dataclasses import dataclass

# Channel means and standard deviations of images scaled to 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec:
    """How an image becomes a model's input; `edgeport.models.preprocess.preprocess` follows it.

    Attributes:
        input_size: (channels, height, width) in pixels; one channel is luminance, three are RGB.
        mean: subtracted from each channel of an image scaled to 0..1.
        std: what each channel is divided by after that.
        interpolation: of the resizing, "nearest", "bilinear", "bicubic" or "lanczos".
        crop_pct: the share of the resized image's side that the centre crop keeps, above 0 and at most 1.

    Example:
        >>> PreprocessSpec(crop_pct=0.95).input_size
        (3, 224, 224)
    """

    input_size: tuple[int, int, int] = (3, 224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bicubic"
    crop_pct: float = 0.875


@dataclass(frozen=True, kw_only=True)
class Variant(PreprocessSpec):
    """A named model: a row of its family's table, with the preprocessing its published weights were trained for.

    Attributes:
        name: what `create_model` knows it by.
        family: the file in this package that builds it.
        paper: "arXiv:NUMBER", "doi:..." or a URL.
        num_classes: how many classes the published weights have.
        params: learnable scalars with `num_classes` classes; counted when index.py is written.
        macs: multiply-accumulates of one image of `input_size`; of the fused model, by the rule of macs.py.
    """

    name: str
    family: str
    paper: str
    num_classes: int = 1000
    params: int = 0
    macs: int = 0
