"""Einsum(a, b, ...) -> Transpose, Reshape and MatMul of two operands at a time, ReduceSum of what only one of them has

Leaves an Einsum alone whose equation numpy would not take, either.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, given, reshape, shape, transpose
from ....graph.replacing import replace_each
from .index_forms import gathered

ELLIPSIS = "..."


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {"Einsum": contracted})


def contracted(node: ir.Node) -> ir.Value | None:
    terms = parsed(attribute(node, "equation"), [len(shape(value)) for value in node.inputs])
    if terms is None:
        return None
    inputs, output = terms
    operands = [_diagonal(given(value), term, node) for value, term in zip(node.inputs, inputs, strict=True)]
    (value, term), *rest = operands
    for i, (other, letters) in enumerate(rest):
        needed = output + "".join(t for _, t in rest[i + 1 :])
        value, term = _pair(value, term, other, letters, needed, node)
    value, term = _summed(value, term, output, node)
    value = _expanded(value, term, output, node)
    return value if value is not node.inputs[0] else emit(node, "Identity", [value], shape(value), dtype=value.dtype)


def parsed(equation: str, ranks: list[int]) -> tuple[list[str], str] | None:
    """(the axes of each input as letters, those of the output); letters of no equation stand for what "..." covers."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        return None
    spare = [chr(i) for i in range(0x100, 0x120)]
    covered = [rank - len(term.replace(ELLIPSIS, "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(count < 0 or (count and ELLIPSIS not in term) for count, term in zip(covered, terms, strict=True)):
        return None
    most = max(covered)
    inputs = [
        term.replace(ELLIPSIS, "".join(spare[most - count : most])) for count, term in zip(covered, terms, strict=True)
    ]
    if not arrow:
        letters = left.replace(ELLIPSIS, "").replace(",", "")
        output = ELLIPSIS + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    output = output.replace(ELLIPSIS, "".join(spare[:most]))
    known = set("".join(inputs))
    return (inputs, output) if set(output) <= known and len(set(output)) == len(output) else None


def _diagonal(value: ir.Value, term: str, node: ir.Node) -> tuple[ir.Value, str]:
    """An axis that a term names twice: only the elements with equal indices."""
    while len(set(term)) < len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first, second = [i for i, c in enumerate(term) if c == letter][:2]
        order = [i for i in range(len(term)) if i not in (first, second)] + [first, second]
        value = transpose(value, order, node)
        *outer, size, _ = shape(value)
        value = gathered(reshape(value, (*outer, size * size), node), np.arange(size) * (size + 1), len(outer), node)
        term = "".join(term[i] for i in order[:-1])
    return value, term


def _summed(value: ir.Value, term: str, needed: str, node: ir.Node) -> tuple[ir.Value, str]:
    """Without the axes that nothing needs."""
    axes = [i for i, c in enumerate(term) if c not in needed]
    if not axes:
        return value, term
    kept = [1 if i in axes else size for i, size in enumerate(shape(value))]
    operand = constant(node.graph, np.array(axes, np.int64), "axes")
    value = emit(node, "ReduceSum", [value, operand], kept, {"keepdims": 1}, dtype=value.dtype)
    term = "".join(c for c in term if c in needed)
    return reshape(value, [size for i, size in enumerate(kept) if i not in axes], node), term


def _pair(a: ir.Value, term_a: str, b: ir.Value, term_b: str, needed: str, node: ir.Node) -> tuple[ir.Value, str]:
    """The product of two operands, summed over what both have and nothing else needs: (batch, rows, columns)."""
    a, term_a = _summed(a, term_a, needed + term_b, node)
    b, term_b = _summed(b, term_b, needed + term_a, node)
    sizes = dict(zip(term_a, shape(a), strict=True))
    for c, n in zip(term_b, shape(b), strict=True):
        sizes[c] = max(n, sizes.get(c, 1))
    shared = [c for c in term_a if c in term_b]
    batch = "".join(c for c in shared if c in needed)
    inner = "".join(c for c in shared if c not in needed)
    rows = "".join(c for c in term_a if c not in term_b)
    columns = "".join(c for c in term_b if c not in term_a)
    if not inner:  # no sum: an element-wise product
        whole = batch + rows + columns
        a = _expanded(a, term_a, whole, node)
        b = _expanded(b, term_b, whole, node)
        to = [sizes[c] for c in whole]
        return emit(node, "Mul", [a, b], to, dtype=a.dtype), whole
    a = _stretched(a, term_a, batch + inner, sizes, node)
    b = _stretched(b, term_b, batch + inner, sizes, node)
    left = transpose(a, [term_a.index(c) for c in batch + rows + inner], node)
    right = transpose(b, [term_b.index(c) for c in batch + inner + columns], node)
    m, k, n = (prod(sizes[c] for c in part) for part in (rows, inner, columns))
    outer = [sizes[c] for c in batch]
    left, right = reshape(left, (*outer, m, k), node), reshape(right, (*outer, k, n), node)
    product = emit(node, "MatMul", [left, right], (*outer, m, n), dtype=a.dtype)
    return reshape(product, [sizes[c] for c in batch + rows + columns], node), batch + rows + columns


def _stretched(value: ir.Value, term: str, letters: str, sizes: dict[str, int], node: ir.Node) -> ir.Value:
    """Axes of size 1 as large as the other operand's."""
    to = [sizes[c] if c in letters else size for c, size in zip(term, shape(value), strict=True)]
    if tuple(to) == shape(value):
        return value
    operand = constant(node.graph, np.array(to, np.int64), "shape")
    return emit(node, "Expand", [value, operand], to, dtype=value.dtype)


def _expanded(value: ir.Value, term: str, whole: str, node: ir.Node) -> ir.Value:
    """The axes in the order `whole`, of size 1 where the term has none."""
    order = [term.index(c) for c in whole if c in term]
    value = transpose(value, order, node)
    sizes = iter(shape(value))
    return reshape(value, [next(sizes) if c in term else 1 for c in whole], node)
