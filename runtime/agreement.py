"""How a candidate agrees with its reference: the figures of a comparison, over all outputs and of each."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Agreement:
    """How a candidate agrees with its reference over all samples; of several outputs, the worst.

    A figure that an output's kind has not (whole numbers have no SNR, say) is NaN, or None.

    Attributes:
        snr_db: 10 log10(sum ref^2 / sum (ref - cand)^2), within +-MAX_SNR_DB.
        max_abs: the largest |ref - cand|.
        max_abs_over_std: that, in standard deviations of the reference's output.
        cosine: the cosine of the two outputs, all samples as one vector.
        top1: share of samples whose highest class is the same; None where no output is known to be class scores.
        top5: share of samples whose highest class by the reference is among the candidate's five highest, or None.
        kl: mean KL(ref || cand) in nats, of probabilities as they are and of logits after a softmax, or None.
        samples: how many samples were compared.
        problem: why the numbers cannot be believed (they are NaN then), or "".
        equal: share of equal values of outputs that are whole or truth values; None where there are none.
        outputs: the same of each output, in the reference's order; empty where there is a problem.
    """

    snr_db: float
    max_abs: float
    max_abs_over_std: float
    cosine: float
    top1: float | None
    top5: float | None
    kl: float | None
    samples: int
    problem: str = ""
    equal: float | None = None
    outputs: "tuple[OutputAgreement, ...]" = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class OutputAgreement(Agreement):
    """How one output agrees.

    Attributes:
        name: of the output, as the reference has it.
        kind: what it is: "numbers", "class scores", "whole numbers", "constant" or "empty".
        value: of a constant, which the reference gives everywhere; None for other kinds.
    """

    name: str = ""
    kind: str = ""
    value: float | None = None

    @property
    def constant_error(self) -> float | None:
        """The largest error of a constant, in its own size; as it is where that is zero."""
        return None if self.value is None else self.max_abs / (abs(self.value) or 1.0)
