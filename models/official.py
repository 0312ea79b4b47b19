"""Public weights that timm does not have on the hub: torchvision's and the authors' own releases."""

from typing import Any

from .checkpoint import Checkpoint
from .spec import HALF


def _torchvision(model: str, file: str, **differs: Any) -> Checkpoint:
    """A file's name ends with the first digits of its sha256. The weights state no licence but torchvision's."""
    return Checkpoint(
        model=model,
        tag="tv_in1k",
        source=f"https://download.pytorch.org/models/{file}",
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        licence="bsd-3-clause",
        differs=differs,
    )


def _release(model: str, source: str, file: str, licence: str) -> Checkpoint:
    """A file of the authors: of a repository of the hub, or beside their code. For the latter no checksum is known."""
    if "://" in source:
        return Checkpoint(model=model, tag="in1k", licence=licence, source=f"{source}/{file}")
    return Checkpoint(model=model, tag="in1k", licence=licence, source=source, file=file)


_PVT = "https://github.com/whai362/PVT/releases/download/v2"
_SPACH = "https://github.com/microsoft/SPACH/releases/download/v1.0"

OFFICIAL = (
    _torchvision("alexnet", "alexnet-owt-7be5be79.pth"),
    _torchvision("efficientnet_b6", "efficientnet_b6_lukemelas-24a108a5.pth", crop_pct=1.0),
    _torchvision("efficientnet_b7", "efficientnet_b7_lukemelas-c5b4e57e.pth", crop_pct=1.0),
    _torchvision(
        *("efficientnetv2_s", "efficientnet_v2_s-dd5fe13b.pth"), input_size=(3, 384, 384), interpolation="bilinear"
    ),
    _torchvision(
        *("efficientnetv2_m", "efficientnet_v2_m-dc08266a.pth"), input_size=(3, 480, 480), interpolation="bilinear"
    ),
    _torchvision(
        *("efficientnetv2_l", "efficientnet_v2_l-59c71312.pth"), input_size=(3, 480, 480), mean=HALF, std=HALF
    ),
    _torchvision("googlenet", "googlenet-1378be20.pth"),
    _torchvision("mnasnet_050", "mnasnet0.5_top1_67.823-3ffadce67e.pth", interpolation="bilinear"),
    _torchvision("mnasnet_075", "mnasnet0_75-7090bc5f.pth", interpolation="bilinear", crop_pct=224 / 232),
    _torchvision("shufflenet_v2_x0_5", "shufflenetv2_x0.5-f707e7126e.pth"),
    _torchvision("shufflenet_v2_x1_0", "shufflenetv2_x1-5666bf0f80.pth"),
    _torchvision("shufflenet_v2_x1_5", "shufflenetv2_x1_5-3c479a10.pth"),
    _torchvision("shufflenet_v2_x2_0", "shufflenetv2_x2_0-8be3c8ee.pth"),
    _torchvision("squeezenet1_0", "squeezenet1_0-b66bff10.pth"),
    _torchvision("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth"),
    _release("pvt_tiny", _PVT, "pvt_tiny.pth", "apache-2.0"),
    _release("pvt_small", _PVT, "pvt_small.pth", "apache-2.0"),
    _release("pvt_medium", _PVT, "pvt_medium.pth", "apache-2.0"),
    _release("pvt_large", _PVT, "pvt_large.pth", "apache-2.0"),
    _release("spach_ms_s_patch4_224_attn", _SPACH, "spach_ms_trans_s.pth", "not stated"),
    _release("spach_ms_s_patch4_224_conv", _SPACH, "spach_ms_conv_s.pth", "not stated"),
    _release("spach_ms_s_patch4_224_hybrid", _SPACH, "spach_ms_hybrid_s.pth", "not stated"),
    _release("spach_ms_s_patch4_224_mlp", _SPACH, "spach_ms_mlp_s.pth", "not stated"),
    _release("van_b0", "Visual-Attention-Network/VAN-Tiny-original", "van_tiny_754.pth.tar", "apache-2.0"),
    _release("van_b1", "Visual-Attention-Network/VAN-Small-original", "van_small_811.pth.tar", "apache-2.0"),
    _release("van_b2", "Visual-Attention-Network/VAN-Base-original", "van_base_828.pth.tar", "apache-2.0"),
    _release("van_b3", "Visual-Attention-Network/VAN-Large-original", "van_large_839.pth.tar", "apache-2.0"),
)
