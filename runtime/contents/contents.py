"""What is written in an artifact of any format: its operators, and its tensors as the file itself has them."""

from collections import Counter
from dataclasses import dataclass

Shape = tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor as the file has it, in the file's own order of dimensions.

    Attributes:
        shape: None where even the rank is open; in it None for a dimension that is.
        dtype: NumPy's name, or the format's where NumPy has none.
        scale, zero_point: real = (stored - zero_point) * scale; None where it is not quantised, or per channel.
        constant: its values are in the file.
    """

    name: str
    shape: Shape | None
    dtype: str
    scale: float | None = None
    zero_point: int | None = None
    constant: bool = False


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator.

    Attributes:
        kind: by the format's name for it.
        inputs: None for one that is left out.
    """

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that it reads and writes."""
        return (*(tensor for tensor in self.inputs if tensor is not None), *self.outputs)

    @property
    def rank(self) -> int:
        """The highest of its tensors."""
        return max((len(tensor.shape) for tensor in self.tensors if tensor.shape is not None), default=0)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is written in an artifact.

    Attributes:
        operators: in their order, those that compute: no constants, inputs or outputs of the graph.
        minimum_runtime: the oldest runtime that has all of them; None where the format does not say it.
        metadata: names of the entries beside the graph.
    """

    operators: tuple[Operator, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    minimum_runtime: str | None = None
    metadata: tuple[str, ...] = ()

    def count_operators(self) -> dict[str, int]:
        """{kind: how many}, the most frequent first."""
        return dict(Counter(operator.kind for operator in self.operators).most_common())

    def count_activations(self) -> dict[str, int]:
        """{type: how many tensors the operators compute in it}, the most frequent first."""
        computed = {tensor.name: tensor.dtype for operator in self.operators for tensor in operator.outputs}
        return dict(Counter(computed.values()).most_common())

    def count_ranks(self) -> dict[int, int]:
        """{rank: how many operators reach it}."""
        return dict(sorted(Counter(operator.rank for operator in self.operators).items()))
