"""Element by element, of one or two operands; two broadcast as in numpy."""

import torch
from torch import Tensor

from ..table import op, rows

rows(
    {
        "abs": torch.abs,
        "acos": torch.acos,
        "asin": torch.asin,
        "atan": torch.atan,
        "atanh": torch.atanh,
        "ceil": torch.ceil,
        "cos": torch.cos,
        "cosh": torch.cosh,
        "erf": torch.erf,
        "exp": torch.exp,
        "exp2": torch.exp2,
        "floor": torch.floor,
        "logical_not": torch.logical_not,
        "round": torch.round,  # half to even
        "sign": torch.sign,
        "sin": torch.sin,
        "sinh": torch.sinh,
        "sqrt": torch.sqrt,
        "square": torch.square,
        "tan": torch.tan,
        "tanh": torch.tanh,
    },
    "x",
)

rows(
    {
        "add": torch.add,
        "equal": torch.eq,
        "floor_div": torch.floor_divide,  # towards negative infinity
        "greater": torch.gt,
        "greater_equal": torch.ge,
        "less": torch.lt,
        "less_equal": torch.le,
        "logical_and": torch.logical_and,
        "logical_or": torch.logical_or,
        "logical_xor": torch.logical_xor,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "mod": torch.remainder,  # the sign is the divisor's
        "mul": torch.mul,
        "not_equal": torch.ne,
        "pow": torch.pow,
        "real_div": torch.true_divide,
        "sub": torch.sub,
    },
    "x",
    "y",
)


@op("clip")
def clip(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return x.clamp(alpha, beta)


@op("threshold")
def threshold(x: Tensor, *, alpha: float) -> Tensor:
    """max(x, alpha)."""
    return x.clamp(min=alpha)


@op("inverse")
def inverse(x: Tensor, *, epsilon: float = 1e-4) -> Tensor:
    return 1 / (x + epsilon)


@op("log")
def log(x: Tensor, *, epsilon: float = 1e-45) -> Tensor:
    return (x + epsilon).log()


@op("rsqrt")
def rsqrt(x: Tensor, *, epsilon: float = 1e-12) -> Tensor:
    return 1 / (x + epsilon).sqrt()


@op("select")
def select(cond: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """a where cond, else b; without them, the indices at which cond holds, (n, rank)."""
    return cond.nonzero() if a is None or b is None else torch.where(cond, a, b)
