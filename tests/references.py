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
    tests/models/test_<family>.py checks the arithmetic). names: where the reference calls a variant otherwise.
    arguments: what its constructor is given; of: the same for single variants. meta: variants too large for memory.
    absent: variants that the library lacks; manifests and test_<family>.py check them.
    side: of the images for the sampled variants, where less than their own is enough (0: their own).
    noise: the float32 noise that a variant may show, of the logits' standard deviation, where 1e-4 is too little.
    """

    sampled: tuple[str, ...]
    blind: str
    library: str = "timm"
    silent: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    side: int = 0
    noise: Mapping[str, float] = field(default_factory=dict)


REFERENCES = {
    "alexnet": Reference(sampled=("alexnet",), blind="alexnet_test", library="torchvision"),
    "bat_resnext": Reference(sampled=("bat_resnext26ts",), blind="bat_resnext_test"),
    "botnet": Reference(sampled=("botnet26t_256",), blind="botnet_test"),
    "cs3darknet": Reference(sampled=("cs3darknet_focus_l",), blind="cs3darknet_test", side=128),
    "deit": Reference(
        sampled=("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"),
        blind="deit_tiny_distilled_patch16_224",
    ),
    "densenet": Reference(
        sampled=("densenet121",),
        blind="densenet_test",
        side=96,
        names={"densenet264": "densenet121"},  # timm registers a 264 of another growth
        of={"densenet264": {"block_config": (6, 12, 64, 48)}},
    ),
    "googlenet": Reference(
        sampled=("googlenet",),
        blind="googlenet_test",
        side=96,
        library="torchvision",
        arguments={"aux_logits": False, "init_weights": False},
    ),
    "inception_resnet": Reference(
        sampled=("inception_resnet_v2",), blind="inception_resnet_v2_test", side=139, absent=("inception_resnet_v1",)
    ),
    "inception_v3": Reference(sampled=("inception_v3",), blind="inception_v3_test", side=139),
    "inception_v4": Reference(
        sampled=("inception_v4",), blind="inception_v4_test", side=139, noise={"inception_v4": 1e-3}
    ),
    "lenet": Reference(sampled=(), blind="lenet5", library=""),
    "mobilenetv1": Reference(sampled=("mobilenetv1_100",), blind="mobilenetv1_test"),
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
    "resnest": Reference(
        sampled=("resnest14d", "resnest50d_4s2x40d", "resnest50d_1s4x24d"), blind="resnest_test", side=160
    ),
    "resnext": Reference(
        sampled=("resnext50_32x4d",),
        blind="resnext_test",
        side=96,
        meta=("resnext101_32x16d", "resnext101_32x32d"),
        noise={"resnext101_32x4d": 5e-4, "resnext101_32x8d": 5e-4, "resnext101_64x4d": 5e-4},
    ),
    "senet": Reference(sampled=("legacy_seresnet18", "seresnext50_32x4d"), blind="senet_test", side=96),
    "resnetv2": Reference(sampled=(), blind="resnetv2_test", library=""),
    "shufflenetv1": Reference(sampled=(), blind="shufflenetv1_test", library=""),
    "shufflenetv2": Reference(
        sampled=("shufflenet_v2_x0_5",),
        blind="shufflenetv2_test",
        library="torchvision",
    ),
    "sknet": Reference(sampled=("skresnet18", "skresnet50", "skresnext50_32x4d"), blind="sknet_test", side=128),
    "squeezenet": Reference(sampled=("squeezenet1_0", "squeezenet1_1"), blind="squeezenet_test", library="torchvision"),
    "vgg": Reference(sampled=("vgg11_bn",), blind="vgg_test"),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224"),
    "wide_resnet": Reference(sampled=(), blind="wide_resnet_test"),
    "xception": Reference(sampled=("legacy_xception",), blind="xception_test", side=139),
    "zfnet": Reference(sampled=(), blind="zfnet_test", library=""),
}
