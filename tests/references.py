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
    where 1e-4 is too little. stated: variants that only a paper describes, with its count of parameters.
    tiny: `_test` variants whose logits are compared too, each with the arguments that make the reference (see names) as
    small.
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
KEY_BIAS = {"*.attn.k.bias": SOFTMAX, "*.attn.wk.bias": SOFTMAX, "*.proj_l.bias": SOFTMAX}

REFERENCES = {
    "beitv2": Reference(
        sampled=(),
        blind="beitv2_test",
        names={"beitv2_test": "beitv2_base_patch16_224"},
        tiny={"beitv2_test": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}},
    ),
    "cait": Reference(
        sampled=(),
        blind="cait_test",
        silent=KEY_BIAS,
        names={"cait_test": "cait_xxs36_224"},
        tiny={"cait_test": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}},
    ),
    "coat": Reference(
        sampled=(),
        blind="coat_test",
        names={"coat_test": "coat_tiny"},
        tiny={
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
        sampled=(),
        blind="coatnet_test",
        meta=("coatnet_4_224", "coatnet_5_224"),
        stated={"coatnet_6_224": 1470000000.0, "coatnet_7_224": 2440000000.0},
        names={
            "coatnet_test": "coatnet_0_224",
            "coatnet_rw_test": "coatnet_0_rw_224",
            "coatnet_bn_test": "coatnet_bn_0_rw_224",
            "coatnet_rmlp_test": "coatnet_rmlp_1_rw_224",
        },
        tiny={
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
        sampled=(),
        blind="coatnext_test",
        names={"coatnext_test": "coatnext_nano_rw_224"},
        tiny={
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
        sampled=(),
        blind="convit_test",
        silent={"*.pos_proj.bias": SOFTMAX},
        names={"convit_test": "convit_tiny"},
        tiny={"convit_test": {"img_size": 32, "patch_size": 8, "depth": 2, "num_heads": 1, "local_up_to_layer": 1}},
    ),
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
    "crossvit": Reference(
        sampled=(),
        blind="crossvit_test",
        silent=KEY_BIAS,
        names={"crossvit_test": "crossvit_9_dagger_240"},
        tiny={
            "crossvit_test": {
                "img_size": 60,
                "img_scale": (1.0, 0.8),
                "embed_dim": (16, 32),
                "depth": ((1, 1, 0),),
                "num_heads": (2, 2),
            }
        },
    ),
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
    "efficientformer": Reference(
        sampled=(),
        blind="efficientformer_test",
        names={"efficientformer_test": "efficientformer_l1"},
        tiny={"efficientformer_test": {"embed_dims": (8, 16), "depths": (1, 2)}},
    ),
    "efficientformerv2": Reference(
        sampled=(),
        blind="efficientformerv2_test",
        silent={
            "*.k.conv.bias": SOFTMAX,
            "*.k.bn.bias": SOFTMAX,
            "*.k.bn.running_mean": SOFTMAX,
            "*.talking_head1.bias": SOFTMAX,
        },
        names={"efficientformerv2_test": "efficientformerv2_s0"},
        tiny={
            "efficientformerv2_test": {
                "img_size": 64,
                "embed_dims": (8, 8, 8, 8),
                "depths": (1, 1, 1, 1),
                "mlp_ratios": 1,
                "num_vit": 1,
            }
        },
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
    "levit": Reference(
        sampled=(),
        blind="levit_test",
        # Nothing norms what the residuals add up to, so that attention sharpens with random weights.
        noise={f"levit_{name}": 0.1 for name in ("128s", "128", "192", "256", "384")},
        names={"levit_test": "levit_128s"},
        tiny={
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
        sampled=(),
        blind="maxvit_test",
        meta=("maxvit_xlarge_tf_224",),
        names={"maxvit_test": "maxvit_tiny_tf_224"},
        tiny={
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
        sampled=(),
        blind="maxxvit_test",
        silent={"*.rel_pos.mlp.fc2.bias": SOFTMAX},
        names={"maxxvit_test": "maxxvit_rmlp_nano_rw_256"},
        tiny={
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
    "mobilenetv2": Reference(
        sampled=("mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_110d"), blind="mobilenetv2_035"
    ),
    "mobilenetv3": Reference(
        sampled=("mobilenetv3_small_050", "mobilenetv3_small_100", "mobilenetv3_large_100"),
        blind="mobilenetv3_small_050",
    ),
    "mobilevit": Reference(sampled=("mobilevit_xxs", "mobilevit_s"), blind="mobilevit_xxs"),
    "pvt": Reference(sampled=(), blind="pvt_test", library=""),
    "pvt_v2": Reference(
        sampled=(),
        blind="pvt_v2_test",
        names={"pvt_v2_test": "pvt_v2_b0", "pvt_v2_li_test": "pvt_v2_b2_li"},
        tiny={
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
    "resnet": Reference(
        sampled=("resnet18", "resnet50"),
        blind="resnet18",
        # Without normalised residuals the noise grows with depth.
        noise={"resnet101": 5e-4, "resnet152": 5e-4},
    ),
    "swin": Reference(
        sampled=(),
        blind="swin_test",
        names={"swin_test": "swin_tiny_patch4_window7_224"},
        tiny={"swin_test": {"img_size": 32, "embed_dim": 32, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4}},
    ),
    "swinv2": Reference(
        sampled=(),
        blind="swinv2_test",
        stated={"swinv2_huge": 658000000.0, "swinv2_giant": 3000000000.0},
        names={"swinv2_test": "swinv2_tiny_window8_256"},
        tiny={
            "swinv2_test": {"img_size": 32, "embed_dim": 32, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4}
        },
    ),
    "tiny_vit": Reference(
        sampled=(),
        blind="tiny_vit_test",
        names={"tiny_vit_test": "tiny_vit_5m_224"},
        tiny={
            "tiny_vit_test": {
                "embed_dims": (16, 32, 48),
                "num_heads": (1, 2, 3),
                "depths": (1, 1, 1),
                "window_sizes": (4, 4, 4),
            }
        },
    ),
    "vit": Reference(sampled=("vit_tiny_patch16_224",), blind="vit_tiny_patch16_224", meta=("vit_huge_patch14_224",)),
}
