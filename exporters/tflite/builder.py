"""What the lowerings write into: tensors and operators, and the one place where a layout is made.

A lowering sees operands (`Value`: a tensor in a buffer under a lazy view; `Constant`: an array) and asks for a tensor
in the order its kernel needs. Only if the buffer has another order does that cost a RESHAPE-TRANSPOSE-RESHAPE, once.
In an int8 unit the tensors handed out are int8, else float32: the lowerings are the same for both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...graph.axis_permutations import orders, runs
from ...graph.dtypes import narrowed
from ...graph.edit import STEP
from ...graph.half_precision import halved
from ...graph.kernels import KernelSet
from ...graph.qdq import Constant
from ...graph.qparams import QParams
from .view import Shape, View
from .writer import Operator, Tensor

_NON_NEGATIVE = frozenset({"RELU", "RELU6", "LOGISTIC", "SOFTMAX"})

_WIDENED = (np.int8, np.uint8, np.int16, np.float16)  # what DEQUANTIZE reads

Groups = Sequence[Sequence[int]]
Run = Callable[..., int]  # Builder.run for the unit's result, Builder.emit for what leads to it

MOST_AXES = 4  # of a tensor: LiteRT's GPU delegate has no more, and the CPU's is no faster with them


@dataclass(frozen=True)
class Value:
    """A computed tensor: `tensor` indexes the builder's tensors, `view` says what is logically in its buffer."""

    tensor: int
    view: View

    @property
    def shape(self) -> Shape:
        return self.view.shape


Operand = Value | Constant


@dataclass(frozen=True)
class Target:
    """What is being computed: the name its result gets, its quantisation (None: as its type says), what is fused."""

    name: str
    quant: QParams | None = None
    activation: str = "NONE"
    bias: Constant | None = None
    order_hint: View | None = None


class Builder:
    """Tensors and operators of one subgraph.

    `kernels`: the device's int8 ones. `half_weights`: store float weights as float16; kernels read float32.
    `int8_weights` of float layers: "widened" to float32 here; "stored", and widened when the file is loaded; "hybrid",
    read by kernels that round the other operand.
    `plain`: the operators that LiteRT's GPU delegate has, and none that become several because the CPU's computes those
    better; but a large depthwise window stays in parts.
    """

    def __init__(
        self,
        kernels: KernelSet,
        *,
        half_weights: bool = False,
        int8_weights: str = "widened",
        plain: bool = False,
    ) -> None:
        self.kernels, self.plain = kernels, plain
        self.half_weights, self.int8_weights = half_weights, int8_weights
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.target = Target("")
        self._cache: dict[Any, int] = {}
        self._unshaped: dict[int, int] = {}  # result of a RESHAPE -> what was reshaped

    # -- tensors -----------------------------------------------------------------------------------------------

    def shape(self, tensor: int) -> Shape:
        return self.tensors[tensor].shape

    def producer(self, tensor: int) -> str:
        """The kind of the operator that computes a tensor; "" of an input or a constant."""
        return next((each.op for each in reversed(self.operators) if tensor in each.outputs), "")

    def quant(self, operand: Operand | int) -> QParams | None:
        """The quantisation that an operand is stored with."""
        if isinstance(operand, Constant):
            return operand.quant
        return self.tensors[operand if isinstance(operand, int) else operand.tensor].quant

    def add(self, shape: Sequence[int], dtype: Any, name: str = "", quant: QParams | None = None) -> int:
        """A new computed tensor."""
        name = name or f"{self.target.name}{STEP}{len(self.tensors)}"
        self.tensors.append(Tensor(name, tuple(shape), dtype, quant))
        return len(self.tensors) - 1

    def rename(self, tensor: int, name: str) -> None:
        """Gives a tensor a name; one that had it was a step on the way."""
        for i, other in enumerate(self.tensors):
            if other.name == name:
                other.name = f"{name}{STEP}{i}"
        self.tensors[tensor].name = name

    def const(self, array: np.ndarray, quant: QParams | None = None) -> int:
        """A constant tensor; equal constants are one. A view of the graph's array stays one until it is written."""
        digest = hashlib.blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, digest_size=16).digest()
        key = ("const", array.dtype.str, array.shape, quant, digest)
        if key not in self._cache:
            name = f"{self.target.name}/const:{len(self.tensors)}"  # of the first that reads it
            self.tensors.append(Tensor(name, array.shape, array.dtype.type, quant, array))
            self._cache[key] = len(self.tensors) - 1
        return self._cache[key]

    def constant(self, c: Constant, shape: Sequence[int] | None = None) -> int:
        """A constant operand as a tensor of the type that the unit computes in."""
        array = c.array if self.target.quant is not None else c.float()
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        if array.dtype == np.int64:
            array = narrowed(array, f"tflite: '{self.target.name}'")
        quant = None if array.dtype == np.float32 else c.quant
        return self.const(array if shape is None else array.reshape(shape), quant)

    def stores(self, c: Constant) -> bool:
        """Whether the float unit's weight stays int8 in the file."""
        return self.target.quant is None and c.quant is not None and self.int8_weights != "widened"

    def weight(self, c: Constant, *, hybrid: bool = False, computed: bool = True) -> int:
        """The weight of a convolution or linear, whose kernel may be `hybrid`. What is stored as float16 or int8 is
        widened by a DEQUANTIZE, which runs once, at load time; but LiteRT's GPU delegate leaves one of int8 per channel
        to the CPU, and then is right only where it takes weights that are `computed`."""
        if self.stores(c):
            if hybrid and self.int8_weights == "hybrid":
                return self.const(c.array, c.quant)
            if computed and not self.plain:
                return self.cached("DEQUANTIZE", [self.const(c.array, c.quant)], c.array.shape, None)
        tensor = self.constant(c)
        data = self.tensors[tensor].data
        half = halved(data) if self.half_weights and data is not None else None
        return tensor if half is None else self.cached("DEQUANTIZE", [self.const(half)], half.shape, None)

    # -- operators ---------------------------------------------------------------------------------------------

    def emit(
        self,
        op: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        *,
        quant: QParams | None = None,
        dtype: Any = None,
        name: str = "",
        **options: Any,
    ) -> int:
        """An operator with the given schema options; returns its output.

        That is of the type of `quant` if it is given, else of the type `dtype`, else of the type of the first input.
        """
        out = self.add(shape, self._dtype(inputs[0], quant, dtype), name, quant)
        self.operators.append(Operator(op, tuple(inputs), (out,), options))
        return out

    def _dtype(self, first: int, quant: QParams | None, dtype: Any) -> Any:
        if quant is not None:
            return np.dtype(quant.dtype).type
        stored = self.tensors[first].dtype
        return dtype or (np.float32 if stored in _WIDENED else stored)

    def run(self, op: str, inputs: Sequence[int], shape: Sequence[int], **options: Any) -> int:
        """The operator that computes the unit's result, in the unit's type."""
        return self.emit(op, inputs, shape, quant=self.target.quant, name=self._result_name(), **options)

    def move(self, op: str, inputs: Sequence[int], shape: Sequence[int], *, named: bool = True, **options: Any) -> int:
        """An operator that only moves data: its result has the quantisation of its first input."""
        name = self._result_name() if named else ""
        return self.emit(op, inputs, shape, quant=self.tensors[inputs[0]].quant, name=name, **options)

    def run_two(
        self, op: str, inputs: Sequence[int], shape: Sequence[int], dtypes: tuple[Any, Any], **options: Any
    ) -> tuple[int, int]:
        """An operator with two results of one shape."""
        first, second = self.add(shape, dtypes[0], self._result_name()), self.add(shape, dtypes[1])
        self.operators.append(Operator(op, tuple(inputs), (first, second), options))
        return first, second

    def activation(self) -> int:
        """The fused activation of the unit, in the schema's numbers."""
        return {"NONE": 0, "RELU": 1, "RELU6": 3}[self.target.activation]

    def _result_name(self) -> str:
        taken = self._cache.setdefault(("name", self.target.name), len(self.tensors))
        return self.target.name if taken == len(self.tensors) else ""

    def cached(
        self, op: str, inputs: Sequence[int], shape: Sequence[int], quant: QParams | None, **options: Any
    ) -> int:
        """As `emit`, but an operator that was emitted before with the same arguments is used again."""
        key = (op, tuple(inputs), tuple(shape), quant, tuple(sorted(options.items())))
        if key not in self._cache:
            source = self.tensors[inputs[0]].name.split(STEP, 1)[0]
            count = self._cache[("count", source)] = self._cache.get(("count", source), 0) + 1
            name = f"{source}{STEP}{op.lower()}{count}"
            self._cache[key] = self.emit(op, inputs, shape, quant=quant, name=name, **options)
        return self._cache[key]

    # -- types -------------------------------------------------------------------------------------------------

    def typed(self, tensor: int) -> int:
        """The tensor in the type the unit computes in: dequantised if that is float32."""
        t = self.tensors[tensor]
        if self.target.quant is None and t.quant is not None:
            return self.cached("DEQUANTIZE", [tensor], t.shape, None)
        return tensor

    def quantized(self, value: Value, quant: QParams, name: str = "") -> Value:
        """The value as int8 under `quant`: as it is, requantised, or quantised."""
        tensor = value.tensor
        stored, shape = self.tensors[tensor].quant, self.shape(tensor)
        if stored == quant:
            return value
        if stored is not None and not self.kernels.requantizes(stored, quant):
            tensor = self.cached("DEQUANTIZE", [tensor], shape, None)
        return Value(self.emit("QUANTIZE", [tensor], shape, quant=quant, name=name), value.view)

    def non_negative(self, x: Operand) -> bool:
        """Whether no element of `x` can be below zero, by the operator that computed it or by its int8 range."""
        if isinstance(x, Constant):
            return bool((x.float() >= 0).all())
        quant = self.tensors[x.tensor].quant
        if quant is not None and quant.range[0] == 0:
            return True
        for o in reversed(self.operators):
            if x.tensor in o.outputs:
                return o.op in _NON_NEGATIVE or o.options.get("fusedActivationFunction") in (1, 3)
        return False

    # -- layouts -----------------------------------------------------------------------------------------------

    def memory(self, x: Operand) -> int:
        """The operand's tensor in whatever layout it has; of what was reshaped to many axes, as it was before."""
        if isinstance(x, Constant):
            return self.constant(x)
        many = len(self.shape(x.tensor)) > MOST_AXES
        return self.typed(self._unshaped.get(x.tensor, x.tensor) if many else x.tensor)

    def value(self, x: Operand) -> Value:
        """A constant as a value; a value as it is."""
        return Value(self.constant(x), View.of(x.shape)) if isinstance(x, Constant) else x

    def laid_out(self, x: Value, groups: Groups) -> int:
        """A tensor whose dimension i holds the factors `groups[i]` of `x.view` (() is a dimension of size 1)."""
        return self.typed(self._arranged(x, groups))

    def contiguous(self, x: Value) -> Value:
        """The value in row-major order."""
        return Value(self.laid_out(x, [x.view.of_dim(d) for d in range(len(x.shape))]), View.of(x.shape))

    def stored_contiguous(self, x: Value) -> Value:
        """The value in row-major order, of the type it is stored in (views convert nothing)."""
        return Value(self._arranged(x, [x.view.of_dim(d) for d in range(len(x.shape))]), View.of(x.shape))

    def _arranged(self, x: Value, groups: Groups) -> int:
        factors = x.view.factors
        order = tuple(k for g in groups for k in g)
        shape = tuple(prod(factors[k] for k in g) for g in groups)
        if len(order) != len(factors):
            raise ValueError("a layout names every factor once")
        tensor = x.tensor
        if order != x.view.order:
            tensor = self._transposed(x, groups)
        return self.reshaped(tensor, shape)

    def reshaped(self, tensor: int, shape: Sequence[int]) -> int:
        """The same buffer under another physical shape."""
        shape = tuple(shape)
        source = self._unshaped.get(tensor, tensor)
        for known in (tensor, source):
            if self.shape(known) == shape:
                return known
        data = self.tensors[tensor].data
        if data is not None:
            return self.const(data.reshape(shape), self.tensors[tensor].quant)
        target = [self.const(np.array(shape, np.int32))] if shape else []  # a constant without elements is none
        made = self.cached("RESHAPE", [source, *target], shape, self.tensors[tensor].quant, newShape=shape)
        self._unshaped[made] = source
        return made

    def _transposed(self, x: Value, groups: Groups) -> int:
        """The buffer of `x` reordered to `groups`; its shape is that of `groups` where the rank allows."""
        *between, wanted = orders(x.view.order, [k for g in groups for k in g], MOST_AXES, x.view.factors)
        for order in between:
            x = Value(self._transposed(x, [order]), View(x.view.dims, order))
        candidates = (
            [run for g in groups for run in (runs(x.view.order, g) or [()])],  # a dimension of size 1 is the run ()
            [run for g in groups for run in runs(x.view.order, g)],
            runs(x.view.order, wanted),
        )
        dims = next(dims for dims in candidates if len(dims) <= MOST_AXES)
        position = {k: i for i, k in enumerate(x.view.order)}
        stored = sorted((d for d in dims if d), key=lambda run: position[run[0]])
        sizes = {run: prod(x.view.factors[k] for k in run) for run in dims}
        have = self.shape(x.tensor)
        if [s for s in have if s > 1] == [sizes[r] for r in stored] and have.count(1) == dims.count(()):
            rest = iter(stored)
            source = [next(rest) if s > 1 else () for s in have]
        else:
            source = [()] * dims.count(()) + stored
        ones = iter([i for i, run in enumerate(source) if not run])
        perm = [source.index(run) if run else next(ones) for run in dims]
        data = self.tensors[x.tensor].data
        if data is not None:
            turned = data.reshape([sizes[r] for r in source]).transpose(perm)
            return self.const(turned, self.tensors[x.tensor].quant)
        tensor = self.reshaped(x.tensor, [sizes[r] for r in source])
        permutation = self.const(np.array(perm, np.int32))
        return self.cached("TRANSPOSE", [tensor, permutation], [sizes[r] for r in dims], self.tensors[tensor].quant)

    def groups(self, x: Value) -> list[tuple[int, ...]] | None:
        """The factors of `x.view` that each dimension of its tensor holds; None where a dimension ends inside one."""
        rest, groups = list(reversed(x.view.order)), []
        for size in self.shape(x.tensor):
            g: list[int] = []
            got = 1
            while got < size and rest:
                g.append(rest.pop())
                got *= x.view.factors[g[-1]]
            if got != size:
                return None
            groups.append(tuple(g))
        return groups if not rest else None
