"""What one probe of a GPU accelerator came to, as gpu_measured.py records it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accelerated:
    """What the accelerator made of one operator in one form.

    Attributes:
        taken: it computes it; else the CPU does.
        reason: why it does not, in its own words.
        fp32_db, fp16_db: how far its result is from the CPU's, 10 log10(sum cpu^2 / sum difference^2), in each
            precision of its arithmetic; None where it could not be run at all.
    """

    taken: bool
    reason: str = ""
    fp32_db: float | None = None
    fp16_db: float | None = None

    @property
    def wrong(self) -> bool:
        """Whether it computes it, but not right."""
        return self.taken and (self.fp32_db is None or self.fp32_db < RIGHT_DB)


RIGHT_DB = (
    40.0  # approximations reach 80, int8 that is rounded another way 57; a row that is read twice leaves 15 at most
)
