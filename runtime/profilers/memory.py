"""What the numbers of an artifact need of memory, by what its file tells."""

from ..contents.contents import Contents, Tensor
from .kernel import size_bytes


def weights_bytes(contents: Contents) -> int:
    """Of all constants, each counted once."""
    constants = {
        tensor.name: tensor
        for operator in contents.operators
        for tensor in operator.inputs
        if tensor is not None and tensor.constant
    }
    return sum(map(size_bytes, constants.values()))


def largest_moment(contents: Contents) -> tuple[int | None, str]:
    """The most bytes of activations that live at once while one operator runs, and the value that it computes.

    Returns:
        (None, "") where the file does not tell all shapes.
    """
    operators = contents.operators
    first: dict[str, int] = {tensor.name: 0 for tensor in contents.inputs}
    last: dict[str, int] = {tensor.name: len(operators) - 1 for tensor in contents.outputs}
    known: dict[str, Tensor] = {tensor.name: tensor for tensor in contents.inputs}
    for i, operator in enumerate(operators):
        for tensor in operator.outputs:
            first.setdefault(tensor.name, i)
            known[tensor.name] = tensor
        for tensor in operator.tensors:
            last[tensor.name] = max(last.get(tensor.name, 0), i)
    if not operators or any(tensor.shape is None or tensor.dtype == "unknown" for tensor in known.values()):
        return None, ""
    change = [0] * (len(operators) + 1)
    for name, tensor in known.items():
        change[first[name]] += size_bytes(tensor)
        change[last.get(name, first[name]) + 1] -= size_bytes(tensor)
    alive, most, at = 0, 0, 0
    for i in range(len(operators)):
        alive += change[i]
        if alive > most:
            most, at = alive, i
    outputs = operators[at].outputs
    return most, outputs[0].name if outputs else ""
