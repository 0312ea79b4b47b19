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
    where 1e-4 is too little. arguments: what its constructor is given; of: the same for single variants, such as a
    `_test` one among the sampled, which makes the reference as small. side: of the images for the sampled variants,
    where less than their own is enough (0: their own).
    """

    sampled: tuple[str, ...]
    blind: str
    library: str = "timm"
    silent: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: tuple[str, ...] = ()
    side: int = 0
    noise: Mapping[str, float] = field(default_factory=dict)


REFERENCES = {
    "convmixer": Reference(sampled=("convmixer_768_32",), blind="convmixer_test", side=56),
    "convnext": Reference(
        sampled=("convnext_zepto_rms", "convnext_atto", "convnext_test"),
        blind="convnext_test",
        meta=("convnext_large", "convnext_xlarge"),
        names={"convnext_test": "convnext_tiny"},
        of={"convnext_test": {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}},
    ),
    "convnextv2": Reference(
        sampled=("convnextv2_atto", "convnextv2_test"),
        blind="convnextv2_test",
        meta=("convnextv2_large", "convnextv2_huge"),
        names={"convnextv2_test": "convnextv2_tiny"},
        of={"convnextv2_test": {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}},
    ),
    "deit": Reference(
        sampled=("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"),
        blind="deit_tiny_distilled_patch16_224",
    ),
    "efficientvit_mit": Reference(
        sampled=("efficientvit_b0", "efficientvit_mit_large_test"),
        blind="efficientvit_mit_test",
        meta=("efficientvit_l3",),
        names={"efficientvit_mit_large_test": "efficientvit_l1"},
        of={
            "efficientvit_mit_large_test": {
                "widths": (8, 8, 8, 16, 16),
                "depths": (1, 1, 1, 1, 1),
                "head_widths": (32, 48),
                "head_dim": 8,
            }
        },
    ),
    "efficientvit_msra": Reference(sampled=("efficientvit_m0",), blind="efficientvit_msra_test"),
    "fasternet": Reference(sampled=("fasternet_t0",), blind="fasternet_test"),
    "fastvit": Reference(
        sampled=("fastvit_test",),
        blind="fastvit_test",
        names={"fastvit_test": "fastvit_sa12"},
        of={"fastvit_test": {"embed_dims": (8, 16, 32, 64), "layers": (1, 1, 1, 1), "mlp_ratios": (2, 2, 2, 2)}},
    ),
    "genet": Reference(sampled=("gernet_s",), blind="genet_test", side=96),
    "hgnetv2": Reference(sampled=("hgnetv2_b0",), blind="hgnetv2_test", side=96),
    "inceptionnext": Reference(sampled=("inception_next_atto",), blind="inception_next_test"),
    "lenet": Reference(sampled=(), blind="lenet5", library=""),
    "mlp_mixer": Reference(
        sampled=("mixer_s32_224",),
        blind="mixer_test",
        silent={"blocks.*.mlp_tokens.fc2.bias": "every norm takes out what all channels of a token share"},
        meta=("mixer_l16_224", "mixer_l32_224"),
    ),
    "mobilenetv2": Reference(
        sampled=("mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_110d"), blind="mobilenetv2_035"
    ),
    "mobilenetv3": Reference(
        sampled=("mobilenetv3_small_050", "mobilenetv3_small_100", "mobilenetv3_large_100"),
        blind="mobilenetv3_small_050",
    ),
    "mobilevit": Reference(sampled=("mobilevit_xxs", "mobilevit_s"), blind="mobilevit_xxs"),
    "poolformer": Reference(
        sampled=("poolformer_s12",),
        blind="poolformer_test",
        side=96,
        silent={"*.norm1.bias": "pooling takes out what all pixels share"},
    ),
    "repghostnet": Reference(sampled=("repghostnet_050",), blind="repghostnet_test"),
    "resnet": Reference(
        sampled=("resnet18", "resnet50"),
        blind="resnet18",
        # Without normalised residuals the noise grows with depth.
        noise={"resnet101": 5e-4, "resnet152": 5e-4},
    ),
    "rexnet": Reference(sampled=("rexnet_100",), blind="rexnet_test", side=96),
    "shvit": Reference(sampled=("shvit_s1",), blind="shvit_test"),
    "spach": Reference(sampled=(), blind="spach_ms_test", library=""),
    "starnet": Reference(sampled=("starnet_s050",), blind="starnet_test"),
    "swiftformer": Reference(sampled=("swiftformer_xs",), blind="swiftformer_test", side=96),
    "van": Reference(sampled=(), blind="van_test", library=""),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224"),
    "vovnet": Reference(sampled=("ese_vovnet19b_slim", "ese_vovnet19b_slim_dw"), blind="vovnet_test", side=96),
}
