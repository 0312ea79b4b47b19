"""LSTM | GRU | RNN(x, W, R, B, h, c) -> its steps, one after the other

What the inputs give to all gates of all steps is one product in front of them. A step works on both directions at once:
the other one reads the sequence from its end. Peepholes, and a GRU that resets in front of its product, are written
out; any other activation than sigmoid and tanh (an RNN: tanh or relu), and clipping, are left to the check.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import UnsupportedOp
from ....graph.edit import FLOATING, array, attribute, given, maker, shape, where
from .steps import Steps

MOST_STEPS = 512
GROWS = "what a step rounds off, all steps behind it have"
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
Cell = Callable[[ir.Value, ir.Value, "ir.Value | None"], tuple[ir.Value, "ir.Value | None"]]


def expand(node: ir.Node) -> tuple[ir.Value, ...]:
    """The node's outputs: all steps' (t, d, n, h), the last one's (d, n, h), and an LSTM's last cell state.

    Raises UnsupportedOp for more than MOST_STEPS steps.
    """
    steps, n, _ = shape(node.inputs[0])
    if steps > MOST_STEPS:
        raise UnsupportedOp(f"{where(node)} has {steps} steps; at most {MOST_STEPS} are written out, make it shorter.")
    at = Steps(node, {FLOATING: GROWS})
    weights = Weights(node)
    directions = weights.input.shape[0]
    backwards = [attribute(node, "direction") == "reverse", True][:directions]
    given_to = [_of_inputs(at, node, weights, d) for d in range(directions)]
    h = _state(at, node, 5, directions)
    c = _state(at, node, 6, directions) if node.op_type == "LSTM" else None
    cell = CELLS[node.op_type](at, node, weights)
    made = []
    for t in range(steps):
        turns = [steps - 1 - t if b else t for b in backwards]
        parts = [at.part(rows, 0, i * n, (i + 1) * n) for rows, i in zip(given_to, turns, strict=True)]
        now = parts[0] if directions == 1 else at.concat([at.reshape(p, 1, *shape(p)) for p in parts], 0)
        h, c = cell(now, h, c)
        made.append(h)
    size = shape(h)[-1]
    if directions == 1 and backwards[0]:
        made.reverse()
    rows = at.concat([at.reshape(h, 1, directions, n, size) for h in made], 0)
    results = [at.part(rows, 1, d, d + 1) for d in range(directions)]
    if directions == 2 and steps > 1:
        results[1] = at.gather(results[1], np.arange(steps)[::-1].astype(np.int32), 0)
    last = tuple(at.reshape(state, directions, n, size) for state in (h, c) if state is not None)
    return (at.concat(results, 1), *last)


class Weights:
    """The weights of a node, by direction; what is added to a gate in any case is in `bias`."""

    def __init__(self, node: ir.Node) -> None:
        self.gates = GATES[node.op_type]
        self.input, self.state = array(node.inputs[1]), array(node.inputs[2])  # (d, gates * h, ...)
        both = array(node.inputs[3])  # of the inputs, then of the state
        half = both.shape[1] // 2
        self.bias, self.state_bias = both[:, :half], both[:, half:]
        self.hidden = half // self.gates


def _of_inputs(at: Steps, node: ir.Node, weights: Weights, d: int) -> ir.Value:
    """(t * n, gates * h): what the inputs of each step give to its gates."""
    x = given(node.inputs[0])
    steps, n, size = shape(x)
    bias = weights.bias[d].copy()
    shared = len(bias) if node.op_type != "GRU" else 2 * weights.hidden  # a GRU resets the rest of it with its state
    if not attribute(node, "linear_before_reset", 1):
        shared = len(bias)
    bias[:shared] += weights.state_bias[d, :shared]
    out = at.run("MatMul", at.reshape(x, steps * n, size), weights.input[d].T.copy(), to=(steps * n, len(bias)))
    out = at.add(out, bias)
    for made in (maker(out), maker(maker(out).inputs[0])):
        del made.metadata_props[FLOATING]
    return out


def _state(at: Steps, node: ir.Node, index: int, directions: int) -> ir.Value:
    """The first state, (n, h) or (2, n, h)."""
    value = given(node.inputs[index])
    return at.reshape(value, *shape(value)[1:]) if directions == 1 else value


def _product(at: Steps, h: ir.Value, matrices: np.ndarray, bias: np.ndarray | None = None) -> ir.Value:
    """h (n, h) or (2, n, h) times the state's weights (d, out, h), transposed, plus (d, out)"""
    w = matrices.transpose(0, 2, 1).copy()
    w = w[0] if len(w) == 1 else w
    out = at.run("MatMul", h, w, to=(*shape(h)[:-1], w.shape[-1]))
    if bias is None:
        return out
    return at.add(out, bias[0] if len(bias) == 1 else bias[:, None])


def _gate(at: Steps, x: ir.Value, index: int, hidden: int, count: int = 1) -> ir.Value:
    return at.part(x, len(shape(x)) - 1, index * hidden, (index + count) * hidden)


def _lstm(at: Steps, node: ir.Node, weights: Weights) -> Cell:
    size = weights.hidden
    peepholes = array(node.inputs[7]) if len(node.inputs) > 7 and node.inputs[7] is not None else None  # (d, iof)

    def seen(gate: ir.Value, c: ir.Value, index: int) -> ir.Value:
        assert peepholes is not None
        weight = peepholes[:, index * size : (index + 1) * size]
        return at.add(gate, at.mul(c, weight[0] if len(weight) == 1 else weight[:, None]))

    def step(now: ir.Value, h: ir.Value, c: ir.Value | None) -> tuple[ir.Value, ir.Value | None]:
        assert c is not None
        gates = at.add(_product(at, h, weights.state), now)
        new = at.run("Tanh", _gate(at, gates, 3, size))
        if peepholes is None:
            open_ = at.run("Sigmoid", _gate(at, gates, 0, size, 3))
            i, o, f = (_gate(at, open_, index, size) for index in range(3))
        else:
            i, f = (at.run("Sigmoid", seen(_gate(at, gates, index, size), c, index)) for index in (0, 2))
            o = None
        c = at.add(at.mul(f, c), at.mul(i, new))
        if o is None:
            o = at.run("Sigmoid", seen(_gate(at, gates, 1, size), c, 1))
        return at.mul(o, at.run("Tanh", c)), c

    return step


def _gru(at: Steps, node: ir.Node, weights: Weights) -> Cell:
    size, behind = weights.hidden, attribute(node, "linear_before_reset", 0)
    bias = weights.state_bias.copy()
    bias[:, : 2 * size] = 0  # with the inputs'

    def step(now: ir.Value, h: ir.Value, c: ir.Value | None) -> tuple[ir.Value, ir.Value | None]:
        if behind:
            product = _product(at, h, weights.state, bias)
            before = _gate(at, product, 0, size, 2)
        else:
            product, before = None, _product(at, h, weights.state[:, : 2 * size])
        open_ = at.run("Sigmoid", at.add(before, _gate(at, now, 0, size, 2)))
        z, r = (_gate(at, open_, index, size) for index in range(2))
        if product is not None:
            reset = at.mul(_gate(at, product, 2, size), r)
        else:
            reset = _product(at, at.mul(h, r), weights.state[:, 2 * size :])
        new = at.run("Tanh", at.add(reset, _gate(at, now, 2, size)))
        return at.add(at.mul(at.sub(h, new), z), new), None

    return step


def _rnn(at: Steps, node: ir.Node, weights: Weights) -> Cell:
    function = {"tanh": "Tanh", "relu": "Relu"}[(attribute(node, "activations") or ("tanh",))[0].lower()]

    def step(now: ir.Value, h: ir.Value, c: ir.Value | None) -> tuple[ir.Value, ir.Value | None]:
        return at.run(function, at.add(_product(at, h, weights.state), now)), None

    return step


CELLS = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}
