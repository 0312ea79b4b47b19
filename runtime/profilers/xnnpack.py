"""Find which operators of a .tflite each of XNNPACK's kernels computes: XNNPACK joins some and splits others.

The kernels of a partition come in the order of the file's operators. XNNPACK rewrites `LOGISTIC, MUL` (SiLU) to one
table lookup, `MUL, MEAN` of squares to one reduction, runs a 1x1 convolution as a fully connected layer, puts a PAD
into the convolution behind it, and a reshape in front of what wants other axes. So the two sequences are aligned: each
kernel belongs to one operator that it can compute, and the cheapest such assignment that keeps both orders is taken.
"""

from collections.abc import Sequence
from functools import cache

# operator -> what the names of kernels that compute it begin with, as XNNPACK's operator_type_to_string has them
_UNARY = ("Unary Elementwise", "Invalid Unary")
_COMPUTED_BY: dict[str, tuple[str, ...]] = {
    "CONV_2D": ("Convolution", "Fully Connected"),
    "DEPTHWISE_CONV_2D": ("Convolution", "Multiply"),
    "FULLY_CONNECTED": ("Fully Connected", "Dynamic Fully Connected", "Convert (NC, F"),
    "TRANSPOSE_CONV": ("Deconvolution",),
    "BATCH_MATMUL": ("Batch Matrix Multiply",),
    "ADD": ("Add",),
    "SUB": ("Subtract",),
    "MUL": ("Multiply", "Square"),
    "DIV": ("Divide",),
    "MAXIMUM": ("Maximum",),
    "MINIMUM": ("Minimum",),
    "SQUARED_DIFFERENCE": ("Squared Difference",),
    "PRELU": ("PReLU", "Leaky ReLU", "LeakyReLU"),
    "LEAKY_RELU": ("LeakyReLU",),
    "MEAN": ("Mean", "Global Average", "Sum"),
    "SUM": ("Sum",),
    "REDUCE_MAX": ("Reduce Max",),
    "REDUCE_MIN": ("Reduce Min",),
    "SOFTMAX": ("Softmax",),
    "LOGISTIC": ("Sigmoid", *_UNARY),
    "TANH": ("TanH", *_UNARY),
    "GELU": ("GELU", "ApproxGELU", *_UNARY),
    "ELU": ("ELU", *_UNARY),
    "HARD_SWISH": ("HardSwish", *_UNARY),
    "RELU": ("Clamp", *_UNARY),
    "RELU6": ("Clamp", *_UNARY),
    "RELU_N1_TO_1": ("Clamp", *_UNARY),
    "RELU_0_TO_1": ("Clamp", *_UNARY),
    "RSQRT": ("Reciprocal Square Root", *_UNARY),
    "SQRT": ("Square Root", *_UNARY),
    "SQUARE": ("Square", *_UNARY),
    "EXP": ("Exp", *_UNARY),
    "LOG": ("Log", *_UNARY),
    "NEG": ("Negate", *_UNARY),
    "ABS": ("Abs", *_UNARY),
    "QUANTIZE": ("Convert",),
    "DEQUANTIZE": ("Convert",),
    "CAST": ("Convert",),
    "RESHAPE": ("Static Reshape", "Copy", "Static Expand", "Fuse Dims", "Split Dims"),
    "EXPAND_DIMS": ("Static Expand", "Static Reshape", "Copy"),
    "SQUEEZE": ("Static Reshape", "Copy", "Fuse Dims"),
    "TRANSPOSE": ("Transpose",),
    "PAD": ("Constant Pad",),
    "PADV2": ("Constant Pad",),
    "SLICE": ("Slice", "Copy"),
    "STRIDED_SLICE": ("Slice", "Copy"),
    "CONCATENATION": ("Copy", "Concatenate"),
    "SPLIT": ("Copy", "Slice", "Split"),
    "DEPTH_TO_SPACE": ("Depth To Space",),
    "SPACE_TO_DEPTH": ("Space To Depth",),
    "AVERAGE_POOL_2D": ("Average Pooling", "Global Average"),
    "MAX_POOL_2D": ("Max Pooling",),
    "RESIZE_BILINEAR": ("Resize Bilinear",),
}
# kernels that XNNPACK puts beside the one that does the work
_HELPERS = ("Static Reshape", "Copy", "Fuse Dims", "Split Dims", "Transpose", "Convert", "Static Expand", "Clamp")
_FITS, _HELPS, _FOREIGN, _WITHOUT = 0.0, 0.6, 5.0, 1.0
# operators that what comes after them computes, too: of the others what came before
_FORWARD = ("PAD", "PADV2")
_SQUARES = "Mean Squared"


def align(operators: Sequence[str], kernels: Sequence[str]) -> list[list[int]]:
    """The positions of the operators that each kernel computes.

    Args:
        operators: of a partition, by the schema's names, in their order.
        kernels: XNNPACK's names, in their order.

    Returns:
        One list for each kernel. The first kernel of an operator has it, and what is joined with it; further kernels
        of the same operator have an empty list before it, or behind it. All operators are in one list.

    Example:
        >>> align(["LOGISTIC", "MUL", "CONV_2D"], ["Invalid Unary Op", "Convolution (NHWC, QC8) IGEMM"])
        [[0, 1], [2]]
    """
    owner = _assign(operators, kernels)
    computes: list[list[int]] = [[] for _ in kernels]
    leading: dict[int, int] = {}  # operator -> the kernel that does its work
    for kernel, operator in enumerate(owner):
        former = leading.get(operator)
        if former is None or (not _fits(operators[operator], kernels[former])):
            leading[operator] = kernel
    for operator, kernel in leading.items():
        computes[kernel].append(operator)
    led = sorted(leading)
    for operator in range(len(operators)):
        if operator in leading or not led:
            continue
        before = max((each for each in led if each < operator), default=None)
        after = min((each for each in led if each > operator), default=None)
        joins_next = operators[operator] in _FORWARD or (
            operators[operator] == "MUL" and after is not None and kernels[leading[after]].startswith(_SQUARES)
        )
        home = after if (joins_next and after is not None) or before is None else before
        assert home is not None
        computes[leading[home]].append(operator)
    return [sorted(found) for found in computes]


def _assign(operators: Sequence[str], kernels: Sequence[str]) -> list[int]:
    """The operator of each kernel: the cheapest assignment in which neither goes back (dynamic programming)."""
    if not operators or not kernels:
        return []
    many, infinite = len(operators), float("inf")
    cost = [_WITHOUT * i for i in range(many)]  # of the kernels so far, when the last belongs to operator i
    cost = [cost[i] + _price(operators[i], kernels[0]) for i in range(many)]
    chosen: list[list[int]] = []
    for kernel in kernels[1:]:
        best, at = infinite, -1  # over the operators before, and what it costs that those between have no kernel
        following, row = [], []
        for i, operator in enumerate(operators):
            stay = cost[i] + (_HELPS if _fits(operator, kernel) else 0.0)  # a second one of the same operator
            come_from, come = (i, stay) if stay <= best else (at, best)
            following.append(come + _price(operator, kernel))
            row.append(come_from)
            best, at = (cost[i], i) if cost[i] <= best + _WITHOUT else (best + _WITHOUT, at)
        chosen.append(row)
        cost = following
    last = min(range(many), key=lambda i: cost[i] + _WITHOUT * (many - 1 - i))
    found = [last]
    for row in reversed(chosen):
        found.append(row[found[-1]])
    return found[::-1]


@cache
def _price(operator: str, kernel: str) -> float:
    if _fits(operator, kernel):
        return _FITS
    return _HELPS if kernel.startswith(_HELPERS) else _FOREIGN


@cache
def _fits(operator: str, kernel: str) -> bool:
    return kernel.startswith(_COMPUTED_BY.get(operator, ()))
