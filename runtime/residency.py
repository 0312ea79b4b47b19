"""What of a file an accelerator takes, and what it leaves to the CPU."""

from dataclasses import dataclass

ACCELERATORS = ("cpu", "gpu", "npu")
ARITHMETICS = ("fp32", "fp16")  # what a GPU computes float32 in


@dataclass(frozen=True)
class Refusal:
    """Operators that an accelerator does not take.

    Attributes:
        operator: as the format calls it, "RESHAPE".
        reason: in the accelerator's own words.
        tensor: of such an operator; "" where the accelerator names none, and means each that has the form.
    """

    operator: str
    reason: str
    tensor: str = ""


@dataclass(frozen=True)
class Residency:
    """Where the operators of a file run.

    Attributes:
        accelerator: "cpu", "gpu" or "npu".
        device: what it is, as its driver says.
        precision: "fp32" or "fp16": what it computes float32 in.
        operators: of the file.
        accelerated: how many of them the accelerator computes.
        partitions: the pieces in which it computes them; between two of them the CPU does the rest.
        refused: what it does not take.
    """

    accelerator: str
    device: str
    precision: str
    operators: int
    accelerated: int
    partitions: int
    refused: tuple[Refusal, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the accelerator computes all of it."""
        return self.accelerated == self.operators
