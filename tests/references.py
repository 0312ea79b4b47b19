"""This file says, for each family, what its models are compared with and which of them every test run compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reference:
    """How one family is checked.

    sampled: variants whose logits are compared in every run, one for each code path; the others are exhaustive.
    blind: the variant on which each tensor is disturbed; silent: patterns of the tensors that cannot move the logits,
    each with its reason. library: "timm" or "torchvision", or "" where there is none to install (then
    tests/models/test_<family>.py checks the arithmetic). names: where the reference calls a variant otherwise. meta:
    variants too large for memory. noise: the float32 noise that a variant may show, of the logits' standard deviation,
    where 1e-4 is too little. tiny: `_test` variants whose logits are compared too, each with the arguments that make
    the reference (see names) as small.
    """

    sampled: tuple[str, ...]
    blind: str
    library: str = "timm"
    silent: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    meta: tuple[str, ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    tiny: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


REFERENCES = {
    "convnext": Reference(
        sampled=("convnext_zepto_rms", "convnext_atto"),
        blind="convnext_test",
        meta=("convnext_large", "convnext_xlarge"),
        names={"convnext_test": "convnext_tiny"},
        tiny={"convnext_test": {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}},
    ),
    "convnextv2": Reference(
        sampled=("convnextv2_atto",),
        blind="convnextv2_test",
        meta=("convnextv2_large", "convnextv2_huge"),
        names={"convnextv2_test": "convnextv2_tiny"},
        tiny={"convnextv2_test": {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}},
    ),
    "deit": Reference(
        sampled=("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"),
        blind="deit_tiny_distilled_patch16_224",
    ),
    "efficientvit_mit": Reference(
        sampled=("efficientvit_b0",),
        blind="efficientvit_mit_test",
        meta=("efficientvit_l3",),
        names={"efficientvit_mit_large_test": "efficientvit_l1"},
        tiny={
            "efficientvit_mit_large_test": {
                "widths": (8, 8, 8, 16, 16),
                "depths": (1, 1, 1, 1, 1),
                "head_widths": (32, 48),
                "head_dim": 8,
            }
        },
    ),
    "lenet": Reference(sampled=(), blind="lenet5", library=""),
    "mobilenetv2": Reference(
        sampled=("mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_110d"), blind="mobilenetv2_035"
    ),
    "mobilenetv3": Reference(
        sampled=("mobilenetv3_small_050", "mobilenetv3_small_100", "mobilenetv3_large_100"),
        blind="mobilenetv3_small_050",
    ),
    "mobilevit": Reference(sampled=("mobilevit_xxs", "mobilevit_s"), blind="mobilevit_xxs"),
    "resnet": Reference(
        sampled=("resnet18", "resnet50"),
        blind="resnet18",
        # Without normalised residuals the noise grows with depth.
        noise={"resnet101": 5e-4, "resnet152": 5e-4},
    ),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224"),
}
