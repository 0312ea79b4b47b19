"""Lower LSTM."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

GATES = (0, 2, 1, 3)  # MIL's order, input, forget, output, cell, of ONNX's


@lower("LSTM")
def lstm(
    mb: Builder,
    x: Operand,
    w: Constant,
    r: Constant,
    b: Constant,
    lengths: None,
    h: Operand,
    c: Operand,
    *,
    direction: str,
    hidden_size: int,
) -> tuple[Var, ...]:
    """(t, n, x), states (d, n, h) -> (t, d, n, h), (d, n, h), (d, n, h); MIL has (t, n, d * h), (n, d * h)"""
    directions = w.array.shape[0]
    steps, batch, _ = x.shape
    both = b.float().reshape(directions, 2, -1).sum(1)
    weights = {}
    for d, suffix in zip(range(directions), ("", "_back"), strict=False):
        for name, numbers in (("weight_ih", w.float()[d]), ("weight_hh", r.float()[d]), ("bias", both[d])):
            gates = numbers.reshape(4, hidden_size, *numbers.shape[1:])[list(GATES)]
            weights[f"{name}{suffix}"] = np.ascontiguousarray(gates.reshape(numbers.shape))
    states = [
        mb.run("reshape", x=mb.run("transpose", x=state, perm=[1, 0, 2]), shape=[batch, directions * hidden_size])
        for state in (h, c)
    ]
    y, *last = mb.run(
        "lstm",
        x=x,
        initial_h=states[0],
        initial_c=states[1],
        direction=direction,
        output_sequence=True,
        **weights,
    )
    y = mb.run("reshape", x=y, shape=[steps, batch, directions, hidden_size])
    last = [mb.run("reshape", x=state, shape=[batch, directions, hidden_size]) for state in last]
    return (
        mb.run("transpose", x=y, perm=[0, 2, 1, 3]),
        *(mb.run("transpose", x=state, perm=[1, 0, 2]) for state in last),
    )
