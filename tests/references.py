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
    where 1e-4 is too little. stated: variants that only a paper describes, with its count of parameters. tiny: `_test` variants whose logits are compared too, each with the arguments that make
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
    stated: Mapping[str, float] = field(default_factory=dict)
    tiny: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


SOFTMAX = "adds the same to every logit of a softmax"
KEY_BIAS = {"*.attn.k.bias": SOFTMAX, "*.attn.wk.bias": SOFTMAX}

REFERENCES = {
    "beitv2": Reference(sampled=(), blind="beitv2_test"),
    "cait": Reference(sampled=("cait_xxs36_224",), blind="cait_test", silent=KEY_BIAS),
    "coat": Reference(sampled=("coat_lite_tiny", "coat_tiny"), blind="coat_test"),
    "coatnet": Reference(
        sampled=("coatnet_rmlp_nano_rw_224", "coatnet_0_rw_224", "coatnet_bn_0_rw_224"),
        blind="coatnet_test",
        meta=("coatnet_4_224", "coatnet_5_224"),
        stated={"coatnet_6_224": 1.47e9, "coatnet_7_224": 2.44e9},
    ),
    "coatnext": Reference(sampled=("coatnext_nano_rw_224",), blind="coatnext_test"),
    "convit": Reference(sampled=("convit_tiny",), blind="convit_test", silent={"*.pos_proj.bias": SOFTMAX}),
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
    "crossvit": Reference(sampled=("crossvit_9_240", "crossvit_9_dagger_240"), blind="crossvit_test", silent=KEY_BIAS),
    "cvt": Reference(sampled=(), blind="cvt_test", library="", silent={"*.proj_k.bias": SOFTMAX}),
    "deit": Reference(
        sampled=("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"),
        blind="deit_tiny_distilled_patch16_224",
    ),
    "efficientformer": Reference(sampled=("efficientformer_l1",), blind="efficientformer_test"),
    "efficientformerv2": Reference(sampled=("efficientformerv2_s0",), blind="efficientformerv2_test"),
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
    "levit": Reference(
        sampled=("levit_128s",),
        blind="levit_test",
        # Nothing norms what the residuals add up to, so that attention sharpens with random weights.
        noise={f"levit_{name}": 0.1 for name in ("128s", "128", "192", "256", "384")},
    ),
    "maxvit": Reference(sampled=("maxvit_tiny_tf_224",), blind="maxvit_test", meta=("maxvit_xlarge_tf_224",)),
    "maxxvit": Reference(sampled=("maxxvit_rmlp_nano_rw_256",), blind="maxxvit_test"),
    "mobilenetv2": Reference(
        sampled=("mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_110d"), blind="mobilenetv2_035"
    ),
    "mobilenetv3": Reference(
        sampled=("mobilenetv3_small_050", "mobilenetv3_small_100", "mobilenetv3_large_100"),
        blind="mobilenetv3_small_050",
    ),
    "mobilevit": Reference(sampled=("mobilevit_xxs", "mobilevit_s"), blind="mobilevit_xxs"),
    "pvt": Reference(sampled=(), blind="pvt_test", library=""),
    "pvt_v2": Reference(sampled=("pvt_v2_b0", "pvt_v2_b2_li"), blind="pvt_v2_test"),
    "resnet": Reference(
        sampled=("resnet18", "resnet50"),
        blind="resnet18",
        # Without normalised residuals the noise grows with depth.
        noise={"resnet101": 5e-4, "resnet152": 5e-4},
    ),
    "swin": Reference(sampled=("swin_tiny_patch4_window7_224",), blind="swin_test"),
    "swinv2": Reference(
        sampled=("swinv2_tiny_window8_256",),
        blind="swinv2_test",
        stated={"swinv2_huge": 658e6, "swinv2_giant": 3.0e9},
    ),
    "tiny_vit": Reference(sampled=("tiny_vit_5m_224",), blind="tiny_vit_test"),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224", meta=("vit_huge_patch14_224",)),
}
