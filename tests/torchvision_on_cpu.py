"""This file lets `import torchvision`, and so `import timm`, work beside a CPU-only torch. Import it before either.

The torchvision of PyPI is built for CUDA: next to torch+cpu its _C.so cannot be loaded, and its Python code then fails
on two operators that _C.so would have declared. Their schemas are all that its import needs; nothing on disk changes.
"""

import importlib.util
from pathlib import Path

import torch

_declared = None  # a torch Library undoes its declarations when it is collected

_found = importlib.util.find_spec("torchvision")
if _found is not None and _found.origin is not None:
    try:
        torch.ops.load_library(str(Path(_found.origin).with_name("_C.so")))
    except OSError:
        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for _name in ("nms", "qnms"):
            _declared.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
