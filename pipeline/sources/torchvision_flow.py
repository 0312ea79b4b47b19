"""torchvision's networks of optical flow: of two images, the last of the flows that they refine step by step."""

from typing import Any

import torch
from torch import Tensor, nn

from ...runtime.session import TensorSpec
from ..input_spec import InputSpec

PLACE = "torchvision.models.optical_flow."
FRAMES = ("image1", "image2")
FLOW = "flow"
SIZE = (3, 256, 448)  # multiples of 8, as RAFT wants them; its weights say no size
MOTION = 2  # pixels between the images for which random weights are drawn


def is_flow_network(module: nn.Module) -> bool:
    return f"{type(module).__module__}.".startswith(PLACE)


def take_two_images(size: tuple[int, int, int]) -> InputSpec:
    """Values from -1 to 1; nothing makes them of one picture."""
    return InputSpec(tuple(TensorSpec(name, (1, *size), "float32") for name in FRAMES))


def give_last_flow(module: nn.Module) -> nn.Module:
    """From now on it gives {"flow": (b, 2, h, w)}: pixels to the right and down. A hook, so its layers keep their
    paths."""

    def last(_: nn.Module, __: Any, flows: list[Tensor]) -> dict[str, Tensor]:
        return {FLOW: flows[-1]}

    module.register_forward_hook(last)
    return module


class OfOneImage(nn.Module):
    """The network between an image and the same moved to the side: what weights are drawn with."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Any:
        return self.network(image, torch.roll(image, MOTION, -1))
