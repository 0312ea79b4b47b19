"""How an image becomes an input, in the words of manifests and of the facts inside artifacts, and back."""

from collections.abc import Mapping
from typing import Any

from .spec import PreprocessSpec


def to_facts(spec: PreprocessSpec | None) -> dict[str, Any]:
    """The fields of a manifest's Input; empty where nobody says how an image becomes the input, or none does."""
    from .preprocess import cover  # imports PIL, which listing models does without

    if spec is None:
        return {}
    return {
        "mean": spec.mean,
        "std": spec.std,
        "scale": spec.scale,
        "color": spec.color,
        "resize": cover(spec),
        "resize_mode": spec.resize,
        "crop": spec.input_size[1:],
        "crop_pct": spec.crop_pct,
        "interpolation": spec.interpolation,
        "pad_value": spec.pad_value if spec.resize == "letterbox" else None,
    }


def from_facts(facts: Mapping[str, Any]) -> PreprocessSpec | None:
    """The spec of such facts, for as many channels as they have means; None where they say nothing.

    What earlier versions did not write was 1/255, RGB and a crop.
    """
    if not (facts.get("mean") and facts.get("std") and facts.get("interpolation") and facts.get("crop_pct")):
        return None
    mean, pad_value = tuple(map(float, facts["mean"])), facts.get("pad_value")
    height, width = facts.get("crop") or PreprocessSpec.input_size[1:]
    return PreprocessSpec(
        input_size=(len(mean), height, width),
        mean=mean,
        std=tuple(map(float, facts["std"])),
        interpolation=facts["interpolation"],
        crop_pct=float(facts["crop_pct"]),
        scale=float(facts.get("scale") or PreprocessSpec.scale),
        bgr=facts.get("color") == "bgr",
        resize=facts.get("resize_mode") or PreprocessSpec.resize,
        pad_value=PreprocessSpec.pad_value if pad_value is None else int(pad_value),
    )
