"""Recurrences over the first axis."""

import torch
from torch import Tensor

from ..table import OpError, op


def _direction(
    x: Tensor, h: Tensor, c: Tensor, weights: tuple[Tensor, Tensor, Tensor | None], backwards: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(t, n, x), (n, h), (n, h) -> all steps' (t, n, h) in the inputs' order, the last states"""
    of_input, of_state, bias = weights
    made = []
    for row in reversed(x) if backwards else x:
        gates = row @ of_input.T + h @ of_state.T
        i, f, o, z = (gates if bias is None else gates + bias).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * z.tanh()
        h = o.sigmoid() * c.tanh()
        made.append(h)
    return torch.stack(made[::-1] if backwards else made), h, c


@op("lstm")
def lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    *,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
) -> tuple[Tensor, Tensor, Tensor]:
    """States are (n, directions * h)."""
    if (recurrent_activation, cell_activation, activation) != ("sigmoid", "tanh", "tanh"):
        raise OpError("has other activations than sigmoid and tanh, which this runner does not have")
    sets = [((weight_ih, weight_hh, bias), direction == "reverse")]
    if direction == "bidirectional":
        if weight_ih_back is None or weight_hh_back is None:
            raise OpError("lacks the weights of its second direction")
        sets.append(((weight_ih_back, weight_hh_back, bias_back), True))
    states = zip(initial_h.chunk(len(sets), -1), initial_c.chunk(len(sets), -1), strict=True)
    parts = [_direction(x, h, c, *each) for (h, c), each in zip(states, sets, strict=True)]
    y, h, c = (torch.cat(values, -1) for values in zip(*parts, strict=True))
    return (y if output_sequence else y[:1] if direction == "reverse" else y[-1:]), h, c
