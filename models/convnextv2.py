"""ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders (arXiv:2301.00808).

ConvNeXt with global response normalisation in its MLPs and without layer scales. Parameter names and shapes are timm's;
the authors' checkpoints are renamed.
"""

from .convnext import Cfg, ConvNeXt, rename_authors
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2301.00808"
FOREIGN = (rename_authors,)

# Appendix A.1; small is timm's.
VARIANTS = {
    "convnextv2_atto": Cfg((40, 80, 160, 320), (2, 2, 6, 2), linear=False, response_norm=True),
    "convnextv2_femto": Cfg((48, 96, 192, 384), (2, 2, 6, 2), linear=False, response_norm=True),
    "convnextv2_pico": Cfg((64, 128, 256, 512), (2, 2, 6, 2), linear=False, response_norm=True),
    "convnextv2_nano": Cfg((80, 160, 320, 640), (2, 2, 8, 2), linear=False, response_norm=True),
    "convnextv2_tiny": Cfg((96, 192, 384, 768), (3, 3, 9, 3), response_norm=True),
    "convnextv2_small": Cfg((96, 192, 384, 768), response_norm=True),
    "convnextv2_base": Cfg((128, 256, 512, 1024), response_norm=True),
    "convnextv2_large": Cfg((192, 384, 768, 1536), response_norm=True),
    "convnextv2_huge": Cfg((352, 704, 1408, 2816), response_norm=True),
}
SPECS = {"convnextv2_huge": PreprocessSpec(input_size=(3, 384, 384), crop_pct=1.0)}
for _name, _cfg in VARIANTS.items():
    register(_name, ConvNeXt, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "convnextv2_test",
    ConvNeXt,
    Cfg((8, 16, 24, 32), (1, 1, 2, 1), response_norm=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
