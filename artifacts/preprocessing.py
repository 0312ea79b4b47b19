"""What facts may say of how an image becomes an input, in manifests and inside artifacts."""

import math
from typing import Protocol

RESIZES = ("stretch", "crop", "letterbox")
COLORS = ("rgb", "bgr", "gray")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
MOST_PIXELS = 2**15  # of a side


class Preprocessing(Protocol):
    """The facts; None is what is not known. manifest.Input says what each means."""

    @property
    def mean(self) -> tuple[float, ...] | None: ...
    @property
    def std(self) -> tuple[float, ...] | None: ...
    @property
    def crop(self) -> tuple[int, int] | None: ...
    @property
    def crop_pct(self) -> float | None: ...
    @property
    def interpolation(self) -> str | None: ...
    @property
    def scale(self) -> float | None: ...
    @property
    def color(self) -> str | None: ...
    @property
    def resize_mode(self) -> str | None: ...
    @property
    def pad_value(self) -> int | None: ...


def check_preprocessing(facts: Preprocessing) -> None:
    """Raises ValueError for facts by which no image becomes an input."""
    if facts.mean is not None and facts.std is not None and (len(facts.mean) != len(facts.std) or not facts.mean):
        raise ValueError(f"mean and std are for {len(facts.mean)} and {len(facts.std)} channels")
    if facts.std is not None and not all(math.isfinite(each) and each > 0 for each in facts.std):
        raise ValueError(f"std must be above 0, not {facts.std}")
    if facts.crop is not None and not all(0 < each < MOST_PIXELS for each in facts.crop):
        raise ValueError(f"crop must be from 1 to {MOST_PIXELS}, not {facts.crop}")
    if facts.crop_pct is not None and not 0 < facts.crop_pct <= 1:
        raise ValueError(f"crop_pct must be above 0 and at most 1, not {facts.crop_pct}")
    if facts.scale is not None and not (math.isfinite(facts.scale) and facts.scale > 0):
        raise ValueError(f"scale must be above 0, not {facts.scale}")
    if facts.pad_value is not None and not 0 <= facts.pad_value <= 255:
        raise ValueError(f"pad_value must be from 0 to 255, not {facts.pad_value}")
    for name, value, known in (
        ("interpolation", facts.interpolation, INTERPOLATIONS),
        ("color", facts.color, COLORS),
        ("resize_mode", facts.resize_mode, RESIZES),
    ):
        if value is not None and value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value[:40]!r}")
