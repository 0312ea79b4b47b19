"""Lets `import torchvision`, and so `import timm`, work beside a PyTorch that is built for CPUs alone.

The torchvision of PyPI is built for CUDA: next to such a PyTorch its _C.so cannot be loaded, and its Python code then
fails on two operators that _C.so would have declared. Their schemas are all that its import needs; nothing on disk
changes, and where _C.so loads nothing is declared.
"""

import importlib.util
from pathlib import Path

_declared = None  # a torch Library undoes its declarations when it is collected


def declare() -> None:
    """Declare the operators, once; to be called before torchvision is first imported."""
    global _declared
    if _declared is None and not has_operators():
        import torch

        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            _declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def has_operators() -> bool:
    """Whether torchvision's own operators can be loaded; also where there is no torchvision."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return True
    import torch

    try:
        torch.ops.load_library(str(Path(found.origin).with_name("_C.so")))
    except OSError:
        return False
    return True
