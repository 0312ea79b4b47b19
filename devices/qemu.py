"""A device that QEMU emulates: an Arm CPU's instructions on this machine, without its speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..artifacts.errors import DeviceError
from .cpus import PROFILES
from .job import Result
from .transport import Here

# instructions -> what kernels of them are called; of int8 kernels the newest first
KERNELS = {
    "smmla": "SMMLA",
    "sdot": "SDOT",
    "smlal": "plain NEON (SMLAL)",
    "fmla": "plain NEON (FMLA)",
}
_SPELLINGS = {"ummla": "smmla", "usmmla": "smmla", "udot": "sdot", "usdot": "sdot"}
SHARE = 0.01  # of all instructions: less is no kernel, but a remainder or a scale


class Emulated(Here):
    """A CPU of cpus.py. Raises DeviceError where the environment is not there."""

    emulated = True

    def __init__(self, cpu: str, folder: Path):
        python = folder / "cpus" / cpu / "python"
        if not python.exists():
            raise DeviceError(f"qemu:{cpu}: nothing is set up in {folder}; run `edgeport devices setup qemu` first")
        super().__init__(f"qemu:{cpu}", str(python))
        self.counts = (folder / "plugin" / "libicount.so").exists()


@dataclass(frozen=True)
class Instructions:
    """What one inference executes.

    Attributes:
        per_inference: the median of the counted inferences.
        spread: (most - fewest) / per_inference.
        classes: {class: how many} of the first inference.
    """

    per_inference: int
    spread: float
    classes: dict[str, int]


def check(cpus: Sequence[str]) -> None:
    """Raises ValueError for a CPU that is not known."""
    for cpu in cpus:
        if cpu not in PROFILES:
            raise ValueError(f"there is no emulated CPU {cpu!r}; known: {', '.join(PROFILES)}")


def instructions(counts: Sequence[Mapping[str, int]]) -> Instructions | None:
    """The sum of an answer's counts; None where nothing was counted."""
    if not counts:
        return None
    totals = [each["all"] for each in counts]
    middle = int(median(totals))
    return Instructions(middle, (max(totals) - min(totals)) / middle, dict(counts[0]))


def kernel_classes(result: Result, index: int) -> str:
    """Of which instructions the kernels of a task are made, as they ran; "" where nothing is known."""
    counts = result.answers[index].counts
    if counts:
        all_ = counts[0]["all"]
        return " + ".join(words for name, words in KERNELS.items() if counts[0][name] >= SHARE * all_)
    present = {_SPELLINGS.get(name, name.rstrip("2")) for name in result.kernels}
    return next((words for name, words in KERNELS.items() if name in present), "")
