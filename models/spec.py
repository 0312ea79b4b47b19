"""What a model takes in and what is known of it: the records that the registry and its index are made of."""

from dataclasses import dataclass

# Channel means and standard deviations of images scaled to 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)

PAD_VALUE = 114  # the grey that YOLO's authors pad with


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec:
    """How an image becomes a model's input; `edgeport.models.preprocess.preprocess` follows it.

    A value of the input is (pixel * scale - mean) / std, with pixels from 0 to 255.

    Attributes:
        input_size: (channels, height, width) in pixels; one channel is luminance, three are colours.
        mean: subtracted from each channel of the scaled image, in the order of the model's channels.
        std: what each channel is divided by after that.
        interpolation: of the resizing, "nearest", "bilinear", "bicubic" or "lanczos".
        crop_pct: the share of the resized image's side that the centre crop keeps, above 0 and at most 1.
        scale: what pixels are multiplied by first.
        bgr: the three channels are blue, green, red instead of red, green, blue.
        resize: "crop": keeps the ratio, covers, and is cropped in the centre; "stretch": each side by itself, then
            cropped by crop_pct; "letterbox": keeps the ratio, fits inside, and is padded on both sides.
        pad_value: of a letterbox, a pixel from 0 to 255.

    Example:
        >>> PreprocessSpec(crop_pct=0.95).input_size
        (3, 224, 224)
        >>> print(PreprocessSpec(mean=(0.0,) * 3, std=(1.0,) * 3, resize="letterbox", interpolation="bilinear"))
        RGB, letterbox (bilinear, padded with 114), (pixel / 255 - 0) / 1
    """

    input_size: tuple[int, int, int] = (3, 224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bicubic"
    crop_pct: float = 0.875
    scale: float = 1 / 255
    bgr: bool = False
    resize: str = "crop"
    pad_value: int = PAD_VALUE

    @property
    def color(self) -> str:
        """The order of the channels, one of COLORS."""
        return "gray" if self.input_size[0] == 1 else "bgr" if self.bgr else "rgb"

    @property
    def divisor(self) -> float:
        """What pixels are divided by, 1 / scale: 255, 127.5 or 1, say, which are exact where their scales are not."""
        return 1 / self.scale

    @property
    def pixel_mean(self) -> tuple[float, ...]:
        """`mean` in pixels from 0 to 255: a value is (pixel - pixel_mean) / pixel_std."""
        return tuple(value * self.divisor for value in self.mean)

    @property
    def pixel_std(self) -> tuple[float, ...]:
        """`std` in pixels from 0 to 255."""
        return tuple(value * self.divisor for value in self.std)

    def __str__(self) -> str:
        how = {"crop": f"crop of {self.crop_pct:.4g} ({self.interpolation})"}
        how["stretch"] = f"stretch ({self.interpolation})" + f", crop of {self.crop_pct:.4g}" * (self.crop_pct != 1)
        how["letterbox"] = f"letterbox ({self.interpolation}, padded with {self.pad_value})"
        scaled = "pixel" if self.divisor == 1 else f"pixel / {self.divisor:.6g}"
        mean, std = (_shown(values) for values in (self.mean, self.std))
        return f"{self.color.upper()}, {how[self.resize]}, ({scaled} - {mean}) / {std}"


def _shown(values: tuple[float, ...]) -> str:
    if len(set(values)) == 1:
        return f"{values[0]:.6g}"
    return f"({', '.join(f'{value:.6g}' for value in values)})"


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
