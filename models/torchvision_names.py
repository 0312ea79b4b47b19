"""Rename the tensors of torchvision's mobile networks, whose blocks are numbered parts, to ours."""

from collections.abc import Mapping

from torch import Tensor

EPS = 1e-5  # of our batch norms
# The convolutions of a block by their number; of two, the first tells which they are.
INVERTED = ("conv_pw", "conv_dw", "conv_pwl")
SEPARABLE, FUSED, PLAIN = ("conv_dw", "conv_pw"), ("conv_exp", "conv_pwl"), ("conv",)
EXCITE = {"fc1": "se.conv_reduce", "fc2": "se.conv_expand"}


def rename_blocks(
    tensors: Mapping[str, Tensor], blocks: Mapping[str, str], others: Mapping[str, str], *, eps: float = EPS
) -> dict[str, Tensor] | None:
    """The tensors under our names; None where one of `others` is missing.

    blocks and others: their prefix -> ours, of blocks and of single layers. eps: of their batch norms; where it is not
    ours, the difference goes into the running variances.
    """
    modules = dict(others)
    if not all(f"{theirs}.weight" in tensors for theirs in modules):
        return None
    for theirs, ours in blocks.items():
        modules |= {part: f"{ours}.{name}" for part, name in _parts(tensors, theirs).items()}
    found = {}
    for key, tensor in tensors.items():
        module, _, leaf = key.rpartition(".")
        name = f"{modules[module]}.{leaf}" if module in modules else key
        found[name] = tensor + (eps - EPS) if leaf == "running_var" else tensor
    return found


def _parts(tensors: Mapping[str, Tensor], block: str) -> dict[str, str]:
    """The layers of one of their blocks -> their names in ours."""
    weights = sorted(key for key in tensors if key.startswith(f"{block}.") and key.endswith(".weight"))
    layers = {key.removesuffix(".weight"): tensors[key] for key in weights}
    excite = {layer: EXCITE[leaf] for layer in layers if (leaf := layer.rpartition(".")[2]) in EXCITE}
    convs = [layer for layer, weight in layers.items() if weight.ndim == 4 and layer not in excite]
    norms = [layer for layer, weight in layers.items() if weight.ndim == 1]
    two = SEPARABLE if convs and layers[convs[0]].shape[1] == 1 else FUSED
    names = {1: PLAIN, 2: two, 3: INVERTED}.get(len(convs), ())
    return excite | dict(zip(convs, names, strict=False)) | {norm: f"bn{i}" for i, norm in enumerate(norms, 1)}
