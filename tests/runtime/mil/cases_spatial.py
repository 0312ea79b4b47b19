"""Cases of convolution, pooling, resizing and normalisation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mil_packages import mb
from op_case import BIAS, IMAGE, WEIGHT, Case, call, real

# the sampling places of MIL's documentation for an axis of 2 elements, as values of a ramp from 0 to 1
RAMPS = {
    ("UNALIGN_CORNERS", 5): [0.0, 0.1, 0.5, 0.9, 1.0],
    ("STRICT_ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("DEFAULT", 5): [0.0, 0.4, 0.8, 1.0, 1.0],
    ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
    ("DEFAULT", 6): [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0],
    ("OFFSET_CORNERS", 6): [1 / 12, 3 / 12, 5 / 12, 7 / 12, 9 / 12, 11 / 12],
    ("ALIGN_CORNERS", 1): [0.5],
    ("STRICT_ALIGN_CORNERS", 1): [0.0],
}

RAMP = np.array([[[[0.0, 1.0], [0.0, 1.0]]]], np.float32)


def ramp(mode: str, outputs: int) -> Case:
    return Case(
        "resize_bilinear",
        lambda a: mb.resize_bilinear(x=a, target_size_height=2, target_size_width=outputs, sampling_mode=mode),
        (RAMP,),
        lambda x: np.broadcast_to(np.array(RAMPS[mode, outputs], np.float32), (1, 1, 2, outputs)),
    )


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: the odd one behind."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def conv_same(x: torch.Tensor, lower: bool = False) -> torch.Tensor:
    (top, bottom), (left, right) = same_pads(7, 3, 2), same_pads(6, 2, 1)
    pads = (right, left, bottom, top) if lower else (left, right, top, bottom)
    return F.conv2d(F.pad(x, pads), torch.tensor(WEIGHT), stride=(2, 1))


def pool(name: str, expected: Callable[..., Any], **options: Any) -> Case:
    return Case(name, lambda a: getattr(mb, name)(x=a, **options), (IMAGE,), expected)


def outside(padding: str, *, aligned: bool) -> Case:
    """Samples at the pixels of a border three wide, which NumPy makes after the examples of MIL's reference."""
    height, width = IMAGE.shape[2:]
    axes = []
    for size in (width, height):
        pixels = np.arange(-3, size + 3)
        axes.append(pixels * 2 / (size - 1) - 1 if aligned else (pixels * 2 + 1) / size - 1)
    grid = np.stack(np.meshgrid(*axes), -1)[None].repeat(len(IMAGE), 0).astype(np.float32)
    mode = {"symmetric": "symmetric", "reflection": "reflect"}[padding]
    return Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="nearest",
            padding_mode=padding,
            padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=aligned,
        ),
        (IMAGE, grid),
        lambda x, g: np.pad(x.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode=mode),
    )


CASES = [
    # conv, pool
    call("conv", conv_same, IMAGE, weight=WEIGHT, strides=[2, 1], pad_type="same"),
    call("conv", lambda x: conv_same(x, lower=True), IMAGE, weight=WEIGHT, strides=[2, 1], pad_type="same_lower"),
    call(
        "conv",
        lambda x: F.conv2d(x, torch.tensor(WEIGHT), torch.tensor(BIAS), 1, (2, 1), (2, 1)),
        IMAGE,
        weight=WEIGHT,
        bias=BIAS,
        pad_type="custom",
        pad=[2, 2, 1, 1],
        dilations=[2, 1],
    ),
    call(
        "conv",
        lambda x: F.conv2d(F.pad(x, (3, 1, 0, 2)), torch.tensor(WEIGHT[:, :2]), groups=2),
        IMAGE,
        weight=WEIGHT[:, :2],
        pad_type="custom",
        pad=[0, 2, 3, 1],
        groups=2,
    ),
    call("conv", lambda x: F.conv1d(x, torch.tensor(WEIGHT[:, :3, 0])), weight=WEIGHT[:, :3, 0], pad_type="valid"),
    call(
        "conv",
        lambda x: F.conv3d(x, torch.ones(2, 2, 1, 2, 3)),
        real(1, 2, 3, 4, 5),
        weight=np.ones((2, 2, 1, 2, 3), np.float32),
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), torch.tensor(BIAS[:4]), stride=2, padding=1),
        IMAGE,
        weight=WEIGHT[:4],
        bias=BIAS[:4],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), stride=2, padding=1, output_padding=1, groups=2),
        IMAGE,
        weight=WEIGHT[:4],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
        output_shape=[2, 8, 14, 11],
        groups=2,
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), stride=2)[:, :, :14, :12],
        IMAGE,
        weight=WEIGHT[:4],
        strides=[2, 2],
        pad_type="same",
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(x, 3, 2, 1),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="valid",
        ceil_mode=True,
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-9), 3, 2),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="same",
    ),
    pool("avg_pool", lambda x: F.avg_pool2d(x, (7, 6)), kernel_sizes=[7, 6], pad_type="valid"),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
        exclude_padding_from_average=True,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True),
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="valid",
        ceil_mode=True,
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(x, 2, 2, 1, ceil_mode=True),  # a window in the pads alone is left out
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
        ceil_mode=True,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
        ceil_mode=True,
    ),
    pool("l2_pool", lambda x: F.lp_pool2d(x, 2, 3, 2), kernel_sizes=[3, 3], strides=[2, 2], pad_type="valid"),
    # resize
    *(ramp(mode, outputs) for mode, outputs in RAMPS),
    call(
        "resize_bilinear",
        lambda x: F.interpolate(x, (11, 4), mode="bilinear"),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
        sampling_mode="UNALIGN_CORNERS",
    ),
    call(
        "resize_bilinear",
        lambda x: F.interpolate(x, (11, 4), mode="bilinear", align_corners=True),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
        sampling_mode="STRICT_ALIGN_CORNERS",
    ),
    call(
        "resize_nearest_neighbor",
        lambda x: F.interpolate(x, (11, 4)),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
    ),
    call(
        "upsample_bilinear",
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        IMAGE,
        scale_factor_height=2,
        scale_factor_width=2,
        align_corners=False,
    ),
    call(
        "upsample_bilinear",
        lambda x: F.interpolate(x, (17, 9), mode="bilinear", align_corners=True),
        IMAGE,
        scale_factor_height=2.5,
        scale_factor_width=1.5,
    ),
    call(
        "upsample_nearest_neighbor",
        lambda x: F.interpolate(x, scale_factor=(2, 3)),
        IMAGE,
        scale_factor_height=2,
        scale_factor_width=3,
    ),
    call(
        "resize",
        lambda x: F.interpolate(x, (11, 6), mode="bilinear"),
        IMAGE,
        shape=[11, 0],
        resized_dims=np.uint32(2),
        sampling_mode="UNALIGN_CORNERS",
    ),
    call(
        "resize",
        lambda x: F.interpolate(x, (14, 3)),
        IMAGE,
        shape=[14, 3],
        resized_dims=np.uint32(2),
        interpolation_mode="NEAREST_NEIGHBOR",
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.5,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=False,
        ),
        (IMAGE, real(2, 3, 4, 2)),
        lambda x, g: F.grid_sample(x - 0.5, g, align_corners=False) + 0.5,
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="nearest",
            padding_mode="border",
            padding_value=0.0,
            coordinates_mode="unnormalized",
            align_corners=True,
        ),
        (IMAGE, real(2, 3, 4, 2, low=0, high=5)),
        lambda x, g: torch.stack([x[n][:, g[n, ..., 1].round().long(), g[n, ..., 0].round().long()] for n in range(2)]),
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="bilinear",
            padding_mode="border",
            padding_value=0.0,
            coordinates_mode="normalized_zero_to_one",
            align_corners=True,
        ),
        (IMAGE, real(2, 3, 4, 2)),
        lambda x, g: F.grid_sample(x, 2 * g - 1, padding_mode="border", align_corners=True),
    ),
    outside("symmetric", aligned=False),
    outside("reflection", aligned=True),
    # normalization
    call(
        "batch_norm",
        lambda x: F.batch_norm(x, *(torch.tensor(abs(BIAS[i : i + 3])) for i in range(4)), eps=1e-3),
        mean=abs(BIAS[:3]),
        variance=abs(BIAS[1:4]),
        gamma=abs(BIAS[2:5]),
        beta=abs(BIAS[3:]),
        epsilon=1e-3,
    ),
    call(
        "batch_norm",
        lambda x: F.batch_norm(x, *(torch.tensor(abs(BIAS[i : i + 3])) for i in range(2))),
        mean=abs(BIAS[:3]),
        variance=abs(BIAS[1:4]),
    ),
    call(
        "instance_norm",
        lambda x: F.instance_norm(x, weight=torch.tensor(BIAS[:3]), bias=torch.tensor(BIAS[3:])),
        gamma=BIAS[:3],
        beta=BIAS[3:],
    ),
    call(
        "layer_norm",
        lambda x: F.layer_norm(x, (4,), torch.tensor(BIAS[:4]), torch.tensor(BIAS[2:]), 1e-6),
        axes=[-1],
        gamma=BIAS[:4],
        beta=BIAS[2:],
        epsilon=1e-6,
    ),
    call("layer_norm", lambda x: F.layer_norm(x.mT, (3,), torch.tensor(BIAS[:3])).mT, axes=[1], gamma=BIAS[:3]),
    call("layer_norm", lambda x: F.layer_norm(x, (2, 3, 4)), axes=[0, 1, 2]),
    call("l2_norm", lambda x: x / torch.sqrt((x**2).sum((1, 2, 3), keepdim=True) + 0.1), IMAGE, epsilon=0.1),
    call(
        "local_response_norm",
        lambda x: F.local_response_norm(x, 3, 0.1, 0.6, 2.0),
        IMAGE,
        size=3,
        alpha=0.1,
        beta=0.6,
        k=2.0,
    ),
]
