"""Gradient-based learning applied to document recognition (Proc. IEEE 86(11), 1998): LeNet-1 and LeNet-5, modernised.

Parameters are named after the paper's layers. The usual modernisation: sub-sampling is a plain 2x2 mean (no trainable
coefficient and bias, no squashing of its own), C3 sees all maps of S2 (table I leaves connections out), squashing is
tanh(a) (the paper: 1.7159 tanh(2a/3)), the output layer is linear (the paper: radial basis functions).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .registry import PreprocessSpec, register

PAPER = "doi:10.1109/5.726791"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    image: int  # height and width
    c1: int
    c3: int
    hidden: tuple[int, int] | None  # C5 and F6; None: the output layer follows S4
    channels: int = 1


class LeNet(nn.Module):
    """(n, 1, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 10) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(cfg.channels, cfg.c1, 5)
        self.s2 = nn.AvgPool2d(2)
        self.c3 = nn.Conv2d(cfg.c1, cfg.c3, 5)
        self.s4 = nn.AvgPool2d(2)
        side = ((cfg.image - 4) // 2 - 4) // 2  # of S4's maps
        if cfg.hidden:
            c5, f6 = cfg.hidden
            # C5 is a convolution as large as S4's maps; F6 is fully connected. Both are squashed.
            self.hidden = True
            self.c5 = nn.Conv2d(cfg.c3, c5, side)
            self.f6 = nn.Linear(c5, f6)
            self.output = nn.Linear(f6, num_classes)
        else:
            self.hidden = False
            self.output = nn.Linear(cfg.c3 * side * side, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.s2(self.c1(x).tanh())
        x = self.s4(self.c3(x).tanh())
        if self.hidden:
            x = self.c5(x).tanh().flatten(1)
            return self.output(self.f6(x).tanh())
        return self.output(x.flatten(1))


VARIANTS = {
    "lenet1": Cfg(image=28, c1=4, c3=12, hidden=None),
    "lenet5": Cfg(image=32, c1=6, c3=16, hidden=(120, 84)),
}
for _name, _cfg in VARIANTS.items():
    # §II.B: the background is -0.1 and the ink 1.175; here of images with light ink on black, as MNIST ships.
    _spec = PreprocessSpec(
        input_size=(1, _cfg.image, _cfg.image),
        mean=(0.1 / 1.275,),
        std=(1 / 1.275,),
        interpolation="bilinear",
        crop_pct=1.0,
    )
    register(_name, LeNet, _cfg, paper=PAPER, spec=_spec, num_classes=10)
