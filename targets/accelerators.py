"""Which accelerators take an artifact whole, operator by operator, from what is known of them."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..artifacts.manifest import Accelerator
from ..runtime.contents.contents import Contents, Operator
from ..runtime.residency import Residency

CPU = "CPU (XNNPACK)"
BY_RULES = "by rules"

# What LiteRT's GPU accelerator has (ai-edge-litert 2.3).
_GPU_HAS = """
ABS ADD ADD_N ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D
DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL
HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM
MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6
RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT SELECT_V2 SIGN SIN SLICE
SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STABLEHLO_COMPOSITE STRIDED_SLICE SUB SUM TANH TILE
TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK
"""
_GPU_OPERATORS = frozenset(_GPU_HAS.split())
_GPU_RANK = 4
_ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE")


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Operators that an accelerator refuses, or computes wrongly.

    Attributes:
        operator: its kind.
        count: how many.
        reason: why, in a few words.
    """

    operator: str
    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What one accelerator takes of an artifact.

    Attributes:
        accelerator: its name.
        operators, of: how many it takes, and how many there are; by rules at most so many, since it takes only so many
            parts of a graph that is cut.
        source: where that is known from.
        partitions: in how many pieces it computes them, where that is measured.
        gaps: the others.
        wrong: of those that it takes, the ones that it is known to compute wrongly.
    """

    accelerator: str
    operators: int
    of: int
    source: str
    partitions: int | None = None
    gaps: tuple[Gap, ...] = ()
    wrong: tuple[Gap, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it takes all, and computes all of it rightly."""
        return self.operators == self.of and not self.wrong

    def __str__(self) -> str:
        at_most = "at most " if self.source == BY_RULES else ""
        taken = "the whole model" if self.operators == self.of else f"{at_most}{self.operators} of {self.of} operators"
        return f"{self.accelerator} takes {taken} ({self.source})"


def covered_by_cpu(contents: Contents, left: Sequence[str]) -> Coverage:
    """What LiteRT's CPU delegate, XNNPACK, took here; `left` are the kinds of the operators that it did not."""
    total = len(contents.operators)
    return Coverage(
        accelerator=CPU,
        operators=total - len(left),
        of=total,
        source="measured here",
        gaps=_count((kind, "LiteRT's own kernels compute it") for kind in left),
    )


def covered(residency: Residency) -> Coverage:
    """What was measured of an accelerator on this machine, in the same words."""
    return Coverage(
        accelerator=_title(residency.accelerator),
        operators=residency.accelerated,
        of=residency.operators,
        source=f"measured on {residency.device}",
        partitions=residency.partitions,
        gaps=_count((each.operator, each.reason) for each in residency.refused),
    )


def best_known(predicted: Sequence[Coverage], measured: Accelerator | None) -> Sequence[Coverage]:
    """What was measured when an artifact was validated, as its manifest has it; else what the rules predict."""
    if measured is None:
        return predicted
    refused = (key.partition(": ") for key in measured.refused)
    coverage = Coverage(
        accelerator=_title(measured.name),
        operators=measured.accelerated,
        of=measured.operators,
        source=f"measured on {measured.device}",
        gaps=tuple(
            Gap(operator=kind, count=count, reason=reason)
            for (kind, _, reason), count in zip(refused, measured.refused.values(), strict=True)
        ),
        wrong=tuple(gap for each in predicted for gap in each.wrong),
    )
    return (coverage,)


def predict_gpu(contents: Contents) -> Coverage:
    """What LiteRT's GPU accelerator takes of a .tflite, by rules: ranks, and the operators that it has."""
    operators = _with_folded_weights(contents.operators)
    refused = [(operator.kind, reason) for operator in operators if (reason := _gpu_refuses(operator))]
    wrong = [
        (operator.kind, reason)
        for operator in operators
        if not _gpu_refuses(operator) and (reason := _gpu_mistakes(operator))
    ]
    total = len(operators)
    return Coverage(
        accelerator=_title("gpu"),
        operators=total - len(refused),
        of=total,
        source=BY_RULES,
        gaps=_count(refused),
        wrong=_count(wrong),
    )


def _title(accelerator: str) -> str:
    return f"LiteRT {accelerator.upper()}"


def _with_folded_weights(operators: Sequence[Operator]) -> list[Operator]:
    """The same, where what it widens to float32 itself, constants of float16, is constant wherever it is read."""
    folded = {
        operator.outputs[0].name
        for operator in operators
        if operator.kind == "DEQUANTIZE" and (read := operator.inputs[0]) and read.constant and read.dtype == "float16"
    }
    return [
        dataclasses.replace(
            operator,
            inputs=tuple(
                tensor and dataclasses.replace(tensor, constant=tensor.constant or tensor.name in folded)
                for tensor in operator.inputs
            ),
        )
        for operator in operators
    ]


def _gpu_refuses(operator: Operator) -> str:
    """Why, or nothing."""
    if operator.kind not in _GPU_OPERATORS:
        return "it has no such operator"
    if operator.rank > _GPU_RANK:
        return f"rank {operator.rank}, it takes at most {_GPU_RANK}"
    first = operator.inputs[0] if operator.inputs else None
    computed = [tensor for tensor in operator.inputs if tensor is not None and not tensor.constant]
    if not computed and first is not None and operator.kind != "DEQUANTIZE":
        return "all that it reads is constant"
    return ""


def _gpu_mistakes(operator: Operator) -> str:
    """How the accelerator computes it wrongly, or nothing: what gpu_measured.py has of the forms that occur."""
    shapes = [tensor.shape or () for tensor in operator.inputs if tensor is not None]
    constants = [tensor.shape or () for tensor in operator.inputs if tensor is not None and tensor.constant]
    if operator.kind in _ELEMENTWISE and any(len(shape) in (2, 3) and shape[:1] != (1,) for shape in constants):
        return "a constant of rank 2 or 3 with several rows, of which it reads the first for all"
    if operator.kind in (*_ELEMENTWISE, "FLOOR_MOD", "FLOOR_DIV") and _is_row_of_integers(operator):
        return "a constant of integers of one axis, which it does not repeat"
    if operator.kind in ("PAD", "PADV2", "MIRROR_PAD") and shapes:
        if len(shapes[0]) == 3:
            return "it pads other axes of rank 3"
        if shapes[0][:1] != (operator.outputs[0].shape or ())[:1]:
            return "it does not pad the first axis"
    if operator.kind == "TOPK_V2" and shapes[0] and (shapes[0][-1] or 0) % 4:
        return "it leaves out what follows the last multiple of 4 of a row"
    batches = [shape[:-2] for shape in shapes]
    if operator.kind == "BATCH_MATMUL" and not constants and batches[0] != batches[-1]:
        return "it does not repeat the smaller batch"
    return _weight_mistakes(operator) if operator.kind in ("FULLY_CONNECTED", "CONV_2D") else ""


def _is_row_of_integers(operator: Operator) -> bool:
    """Whether one of its constants is."""
    constants = [tensor for tensor in operator.inputs if tensor is not None and tensor.constant]
    return any(each.dtype == "int32" and len(each.shape or ()) == 1 and each.shape != (1,) for each in constants)


def _weight_mistakes(operator: Operator) -> str:
    """The same, of a layer with weights; a convolution has an NHWC image and OHWI weights."""
    if len(operator.inputs) < 2 or (x := operator.inputs[0]) is None or (weights := operator.inputs[1]) is None:
        return ""
    image, filters = ([size or 1 for size in tensor.shape or (1,)] for tensor in (x, weights))
    groups = image[-1] // filters[-1] if operator.kind == "CONV_2D" else 1
    if not weights.constant and (groups > 1 or operator.kind == "FULLY_CONNECTED"):
        return "it does not take weights that an operator computes"
    if groups > 1 and (filters[-1] % 4 != 0 or filters[0] // groups % 4 != 0):
        return "it does not compute groups whose channels are no multiple of 4"
    return ""


def _count(found: Iterable[tuple[str, str]]) -> tuple[Gap, ...]:
    counted = Counter(found).most_common()
    return tuple(Gap(operator=kind, count=count, reason=reason) for (kind, reason), count in counted)
