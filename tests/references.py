"""Says, for each family, what its models are compared with and which of them every test run compares."""

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
    arguments: what its constructor is given; of: the same for single variants, such as a `_test` one among the sampled,
    which makes the reference as small. meta: variants too large for memory.
    absent: variants that the library lacks; manifests and test_<family>.py check them.
    stated: variants that only a paper describes, with its count of parameters.
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
    stated: Mapping[str, float] = field(default_factory=dict)
    side: int = 0
    noise: Mapping[str, float] = field(default_factory=dict)


SOFTMAX = "what is added to all of its logits cancels in a softmax"
KEY_BIAS = {"*.attn.k.bias": SOFTMAX, "*.attn.wk.bias": SOFTMAX, "*.proj_l.bias": SOFTMAX}
SWIN_TEST = {"img_size": 32, "embed_dim": 32, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4}

REFERENCES = {
    "alexnet": Reference(sampled=("alexnet",), blind="alexnet_test", library="torchvision"),
    "bat_resnext": Reference(sampled=("bat_resnext26ts",), blind="bat_resnext_test"),
    "beitv2": Reference(
        sampled=("beitv2_test",),
        blind="beitv2_test",
        names={"beitv2_test": "beitv2_base_patch16_224"},
        of={"beitv2_test": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}},
    ),
    "botnet": Reference(sampled=("botnet26t_256",), blind="botnet_test"),
    "cait": Reference(
        sampled=("cait_test",),
        blind="cait_test",
        silent=KEY_BIAS,
        names={"cait_test": "cait_xxs36_224"},
        of={"cait_test": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}},
    ),
    "coat": Reference(
        sampled=("coat_test", "coat_lite_tiny"),
        blind="coat_test",
        names={"coat_test": "coat_tiny"},
        of={
            "coat_test": {
                "img_size": 64,
                "embed_dims": (16, 24, 24, 24),
                "serial_depths": (1, 1, 1, 1),
                "mlp_ratios": (2, 2, 2, 2),
                "parallel_depth": 1,
            }
        },
    ),
    "coatnet": Reference(
        sampled=(
            "coatnet_test",
            "coatnet_rw_test",
            "coatnet_bn_test",
            "coatnet_rmlp_test",
        ),
        blind="coatnet_test",
        meta=("coatnet_4_224", "coatnet_5_224"),
        stated={"coatnet_6_224": 1470000000.0, "coatnet_7_224": 2440000000.0},
        names={
            "coatnet_test": "coatnet_0_224",
            "coatnet_rw_test": "coatnet_0_rw_224",
            "coatnet_bn_test": "coatnet_bn_0_rw_224",
            "coatnet_rmlp_test": "coatnet_rmlp_1_rw_224",
        },
        of={
            "coatnet_test": {
                "img_size": 64,
                "embed_dim": (16, 32),
                "depths": (1, 2),
                "block_type": ("C", "T"),
                "stem_width": (8, 16),
                "head_hidden_size": 32,
            },
            "coatnet_rw_test": {
                "img_size": 64,
                "embed_dim": (32, 64),
                "depths": (1, 1),
                "block_type": ("C", "T"),
                "stem_width": (8, 16),
            },
            "coatnet_bn_test": {
                "img_size": 64,
                "embed_dim": (32, 64),
                "depths": (1, 1),
                "block_type": ("C", "T"),
                "stem_width": (8, 16),
            },
            "coatnet_rmlp_test": {
                "img_size": 64,
                "embed_dim": (32, 64),
                "depths": (1, 1),
                "block_type": ("C", "T"),
                "stem_width": (8, 16),
                "transformer_init_values": 1e-06,
                "transformer_rel_pos_dim": 16,
            },
        },
    ),
    "coatnext": Reference(
        sampled=("coatnext_test",),
        blind="coatnext_test",
        names={"coatnext_test": "coatnext_nano_rw_224"},
        of={
            "coatnext_test": {
                "img_size": 64,
                "embed_dim": (32, 64),
                "depths": (1, 1),
                "block_type": ("C", "T"),
                "stem_width": (8, 32),
            }
        },
    ),
    "convit": Reference(
        sampled=("convit_test",),
        blind="convit_test",
        silent={"*.pos_proj.bias": SOFTMAX},
        names={"convit_test": "convit_tiny"},
        of={"convit_test": {"img_size": 32, "patch_size": 8, "depth": 2, "num_heads": 1, "local_up_to_layer": 1}},
    ),
    "convmixer": Reference(sampled=("convmixer_768_32", "convmixer_1024_20_ks9_p14"), blind="convmixer_test", side=56),
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
    "crossvit": Reference(
        sampled=("crossvit_test", "crossvit_tiny_240"),
        blind="crossvit_test",
        silent=KEY_BIAS,
        names={"crossvit_test": "crossvit_9_dagger_240"},
        of={
            "crossvit_test": {
                "img_size": 60,
                "img_scale": (1.0, 0.8),
                "embed_dim": (16, 32),
                "depth": ((1, 1, 0),),
                "num_heads": (2, 2),
            }
        },
    ),
    "cs3darknet": Reference(sampled=("cs3darknet_focus_l",), blind="cs3darknet_test", side=128),
    "cvt": Reference(
        sampled=(),
        blind="cvt_test",
        library="",
        silent={
            "*.proj_k.bias": SOFTMAX,
            "*.conv_proj_k.bn.bias": SOFTMAX,
            "*.conv_proj_k.bn.running_mean": SOFTMAX,
            "stage2.*.conv_proj_q.*": "of the last block only the class token is read",
        },
    ),
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
    "edgenext": Reference(
        sampled=("edgenext_xx_small", "edgenext_small_rw"),
        blind="edgenext_test",
        side=128,
    ),
    "efficientformer": Reference(
        sampled=("efficientformer_test",),
        blind="efficientformer_test",
        names={"efficientformer_test": "efficientformer_l1"},
        of={"efficientformer_test": {"embed_dims": (8, 16), "depths": (1, 2)}},
    ),
    "efficientformerv2": Reference(
        sampled=("efficientformerv2_test",),
        blind="efficientformerv2_test",
        silent={
            "*.k.conv.bias": SOFTMAX,
            "*.k.bn.bias": SOFTMAX,
            "*.k.bn.running_mean": SOFTMAX,
            "*.talking_head1.bias": SOFTMAX,
        },
        names={"efficientformerv2_test": "efficientformerv2_s0"},
        of={
            "efficientformerv2_test": {
                "img_size": 64,
                "embed_dims": (8, 8, 8, 8),
                "depths": (1, 1, 1, 1),
                "mlp_ratios": 1,
                "num_vit": 1,
            }
        },
    ),
    "efficientnet": Reference(
        sampled=("efficientnet_b0", "efficientnet_b3", "tf_efficientnet_b1"), blind="efficientnet_test"
    ),
    "efficientnet_edgetpu": Reference(sampled=("efficientnet_es",), blind="efficientnet_edgetpu_test", side=128),
    "efficientnet_lite": Reference(
        sampled=("efficientnet_lite0", "tf_efficientnet_lite0"), blind="efficientnet_lite_test"
    ),
    "efficientnetv2": Reference(
        sampled=("efficientnetv2_s", "tf_efficientnetv2_s"), blind="efficientnetv2_test", side=128
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
    "efficientvit_msra": Reference(
        sampled=("efficientvit_m0",),
        blind="efficientvit_msra_test",
        # The cascade amplifies rounding with these weights, in the reference as here.
        noise={"efficientvit_m1": 5e-2},
    ),
    "fasternet": Reference(sampled=("fasternet_t0", "fasternet_t2"), blind="fasternet_test"),
    "fastvit": Reference(
        sampled=("fastvit_test", "fastvit_t8"),
        blind="fastvit_test",
        names={"fastvit_test": "fastvit_sa12"},
        of={"fastvit_test": {"embed_dims": (8, 16, 32, 64), "layers": (1, 1, 1, 1), "mlp_ratios": (2, 2, 2, 2)}},
    ),
    "fbnet": Reference(sampled=("fbnetc_100",), blind="fbnet_test", side=128),
    "fbnetv3": Reference(sampled=("fbnetv3_b",), blind="fbnetv3_test", side=128),
    "genet": Reference(sampled=("gernet_s",), blind="genet_test", side=96),
    "ghostnet": Reference(sampled=("ghostnet_050", "ghostnetv2_100", "ghostnetv3_050"), blind="ghostnetv2_test"),
    "googlenet": Reference(
        sampled=("googlenet",),
        blind="googlenet_test",
        side=96,
        library="torchvision",
        arguments={"aux_logits": False, "init_weights": False},
    ),
    "hardcorenas": Reference(sampled=("hardcorenas_a",), blind="hardcorenas_test"),
    "hgnetv2": Reference(sampled=("hgnetv2_b0",), blind="hgnetv2_test", side=96),
    "inception_resnet": Reference(
        sampled=("inception_resnet_v2",), blind="inception_resnet_v2_test", side=139, absent=("inception_resnet_v1",)
    ),
    "inception_v3": Reference(sampled=("inception_v3",), blind="inception_v3_test", side=139),
    "inception_v4": Reference(
        sampled=("inception_v4",), blind="inception_v4_test", side=139, noise={"inception_v4": 1e-3}
    ),
    "inceptionnext": Reference(sampled=("inception_next_atto",), blind="inception_next_test"),
    "lcnet": Reference(sampled=("lcnet_050",), blind="lcnet_test"),
    "lcnetv2": Reference(
        sampled=("lcnetv2_small",),
        blind="lcnetv2_test",
        side=128,
        noise={"lcnetv2_large": 5e-4},  # its split convolutions have no residuals
    ),
    "lenet": Reference(sampled=(), blind="lenet5", library=""),
    "levit": Reference(
        sampled=("levit_test",),
        blind="levit_test",
        # Nothing norms what the residuals add up to, so that attention sharpens with random weights.
        noise={f"levit_{name}": 0.1 for name in ("128s", "128", "192", "256", "384")},
        names={"levit_test": "levit_128s"},
        of={
            "levit_test": {
                "img_size": 128,
                "embed_dim": (16, 32, 48),
                "key_dim": 8,
                "num_heads": (2, 3, 4),
                "depth": (1, 1, 1),
            }
        },
    ),
    "maxvit": Reference(
        sampled=("maxvit_test",),
        blind="maxvit_test",
        meta=("maxvit_xlarge_tf_224",),
        names={"maxvit_test": "maxvit_tiny_tf_224"},
        of={
            "maxvit_test": {
                "img_size": 64,
                "embed_dim": (32,),
                "depths": (1,),
                "block_type": ("M",),
                "stem_width": 8,
                "head_hidden_size": 32,
            }
        },
    ),
    "maxxvit": Reference(
        sampled=("maxxvit_test",),
        blind="maxxvit_test",
        silent={"*.rel_pos.mlp.fc2.bias": SOFTMAX},
        names={"maxxvit_test": "maxxvit_rmlp_nano_rw_256"},
        of={
            "maxxvit_test": {
                "img_size": 64,
                "embed_dim": (32,),
                "depths": (1,),
                "block_type": ("M",),
                "stem_width": 8,
                "transformer_rel_pos_dim": 16,
            }
        },
    ),
    "mixnet": Reference(sampled=("mixnet_s", "mixnet_m"), blind="mixnet_test", side=128),
    "mlp_mixer": Reference(
        sampled=("mixer_s32_224",),
        blind="mixer_test",
        silent={"blocks.*.mlp_tokens.fc2.bias": "every norm takes out what all channels of a token share"},
        meta=("mixer_l16_224", "mixer_l32_224"),
    ),
    "mnasnet": Reference(sampled=("mnasnet_050", "mnasnet_small", "semnasnet_050"), blind="mnasnet_test"),
    "mobilenet_edgetpu": Reference(
        sampled=("mobilenet_edgetpu_100", "mobilenet_edgetpu_v2_s"), blind="mobilenet_edgetpu_test", side=128
    ),
    "mobilenetv1": Reference(sampled=("mobilenetv1_100",), blind="mobilenetv1_test"),
    "mobilenetv2": Reference(
        sampled=("mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_110d"), blind="mobilenetv2_035"
    ),
    "mobilenetv3": Reference(
        sampled=(
            "mobilenetv3_small_050",
            "mobilenetv3_small_100",
            "mobilenetv3_large_100",
            "mobilenetv3_rw",
            "tf_mobilenetv3_small_100",
        ),
        blind="mobilenetv3_small_050",
    ),
    "mobilenetv4": Reference(
        sampled=(
            "mobilenetv4_conv_small",
            "mobilenetv4_conv_aa_medium",
            "mobilenetv4_conv_blur_medium",
            "mobilenetv4_hybrid_medium_075",
            "mobilenetv4_hybrid_large_075",
        ),
        blind="mobilenetv4_test",
        silent={f"blocks.2.2.attn.key.norm.{leaf}": SOFTMAX for leaf in ("bias", "running_mean")},
        side=128,
    ),
    "mobileone": Reference(
        sampled=("mobileone_s0", "mobileone_s4"),
        blind="mobileone_test",
        side=128,
        noise={"mobileone_s0": 5e-4},  # forty sums of five or six branches
    ),
    "mobilevit": Reference(sampled=("mobilevit_xxs", "mobilevit_s"), blind="mobilevit_xxs"),
    "mobilevitv2": Reference(sampled=("mobilevitv2_050",), blind="mobilevitv2_test", side=128),
    "poolformer": Reference(
        sampled=("poolformer_s12",),
        blind="poolformer_test",
        side=96,
        silent={"*.norm1.bias": "pooling takes out what all pixels share"},
    ),
    "pvt": Reference(sampled=(), blind="pvt_test", library=""),
    "pvt_v2": Reference(
        sampled=(
            "pvt_v2_test",
            "pvt_v2_li_test",
        ),
        blind="pvt_v2_test",
        names={"pvt_v2_test": "pvt_v2_b0", "pvt_v2_li_test": "pvt_v2_b2_li"},
        of={
            "pvt_v2_test": {
                "embed_dims": (8, 16, 40),
                "depths": (1, 1, 1),
                "num_heads": (1, 2, 5),
                "mlp_ratios": (8, 8, 4),
                "sr_ratios": (8, 4, 2),
            },
            "pvt_v2_li_test": {
                "embed_dims": (8, 16, 40),
                "depths": (1, 1, 1),
                "num_heads": (1, 2, 5),
                "mlp_ratios": (8, 8, 4),
                "sr_ratios": (8, 4, 2),
            },
        },
    ),
    "regnet": Reference(sampled=("regnetx_002", "regnety_002", "regnety_008_tv"), blind="regnet_test"),
    "repghostnet": Reference(sampled=("repghostnet_050",), blind="repghostnet_test"),
    "repvgg": Reference(sampled=("repvgg_a0",), blind="repvgg_test", side=64),
    "repvit": Reference(sampled=("repvit_m0_9", "repvit_m1"), blind="repvit_test", side=96),
    "resnest": Reference(
        sampled=("resnest14d", "resnest50d_4s2x40d", "resnest50d_1s4x24d"), blind="resnest_test", side=160
    ),
    "resnet": Reference(
        sampled=("resnet10t", "resnet18", "resnet50"),
        blind="resnet18",
        # Without normalised residuals the noise grows with depth.
        noise={"resnet101": 5e-4, "resnet152": 5e-4},
    ),
    "resnetv2": Reference(sampled=(), blind="resnetv2_test", library=""),
    "resnext": Reference(
        sampled=("resnext50_32x4d",),
        blind="resnext_test",
        side=96,
        meta=("resnext101_32x16d", "resnext101_32x32d"),
        noise={"resnext101_32x4d": 5e-4, "resnext101_32x8d": 5e-4, "resnext101_64x4d": 5e-4},
    ),
    "rexnet": Reference(sampled=("rexnet_100",), blind="rexnet_test", side=96),
    "senet": Reference(sampled=("legacy_seresnet18", "seresnext50_32x4d"), blind="senet_test", side=96),
    "shufflenetv1": Reference(sampled=(), blind="shufflenetv1_test", library=""),
    "shufflenetv2": Reference(
        sampled=("shufflenet_v2_x0_5",),
        blind="shufflenetv2_test",
        library="torchvision",
    ),
    "shvit": Reference(sampled=("shvit_s1",), blind="shvit_test"),
    "sknet": Reference(sampled=("skresnet18", "skresnet50", "skresnext50_32x4d"), blind="sknet_test", side=128),
    "spach": Reference(sampled=(), blind="spach_ms_test", library=""),
    "spnasnet": Reference(sampled=("spnasnet_100",), blind="spnasnet_test", side=128),
    "squeezenet": Reference(sampled=("squeezenet1_0", "squeezenet1_1"), blind="squeezenet_test", library="torchvision"),
    "starnet": Reference(sampled=("starnet_s050",), blind="starnet_test"),
    "swiftformer": Reference(sampled=("swiftformer_xs",), blind="swiftformer_test", side=96),
    "swin": Reference(
        sampled=("swin_test",),
        blind="swin_test",
        names={"swin_test": "swin_tiny_patch4_window7_224"},
        of={"swin_test": SWIN_TEST},
    ),
    "swinv2": Reference(
        sampled=("swinv2_test", "swinv2_pretrained_test"),
        blind="swinv2_test",
        stated={"swinv2_huge": 658000000.0, "swinv2_giant": 3000000000.0},
        names=dict.fromkeys(("swinv2_test", "swinv2_pretrained_test"), "swinv2_tiny_window8_256"),
        of={
            "swinv2_test": SWIN_TEST,
            "swinv2_pretrained_test": {**SWIN_TEST, "pretrained_window_sizes": (3, 2)},
        },
    ),
    "tiny_vit": Reference(
        sampled=("tiny_vit_test",),
        blind="tiny_vit_test",
        names={"tiny_vit_test": "tiny_vit_5m_224"},
        of={
            "tiny_vit_test": {
                "embed_dims": (16, 32, 48),
                "num_heads": (1, 2, 3),
                "depths": (1, 1, 1),
                "window_sizes": (4, 4, 4),
            }
        },
    ),
    "tinynet": Reference(sampled=("tinynet_b", "tinynet_e"), blind="tinynet_test"),
    "van": Reference(sampled=(), blind="van_test", library=""),
    "vgg": Reference(sampled=("vgg11", "vgg11_bn"), blind="vgg_test"),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224", meta=("vit_huge_patch14_224",)),
    "vovnet": Reference(sampled=("ese_vovnet19b_slim", "ese_vovnet19b_slim_dw"), blind="vovnet_test", side=96),
    "wide_resnet": Reference(sampled=("wide_resnet50_2",), blind="wide_resnet_test", side=64),
    "xception": Reference(sampled=("legacy_xception",), blind="xception_test", side=139),
    "zfnet": Reference(sampled=(), blind="zfnet_test", library=""),
}
