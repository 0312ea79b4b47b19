"""Measure what a model makes of a little noise on its inputs; where that is much, no form of it in 8 bits can agree."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from .agreement import Agreement
from .compare import EXPECTED, compare, verdict
from .output_kinds import Kind
from .session import Session
from .session_wrappers import SessionWrapper

NOISE_DB = 60.0  # below the inputs; rounding an image to 8 bits leaves about 50
UNSTABLE_DB = (
    20.0  # more than that lost on the way: each of a hundred roundings inside at 40 dB comes out as 20 or less
)
MOST_FEEDS = 4
NONE_CAN = "so with these weights no 8-bit form can agree (random ones do that; trained ones rarely)"


class NoisySession(SessionWrapper):
    """A session that adds seeded normal noise, NOISE_DB below each float input, to what it is fed."""

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        random = np.random.default_rng(0)
        return self.bare.run({name: _add_noise(array, random) for name, array in feeds.items()})


def verdict_with_cause(
    agreement: Agreement,
    precision: str,
    reference: Session,
    feeds: Callable[[], Iterable[Mapping[str, np.ndarray]]],
    kinds: Mapping[str, Kind] | None = None,
) -> str:
    """`compare.verdict`; where 8 bits fail, with what the model itself has to do with it.

    Args:
        agreement, precision, reference: as `compare.verdict`.
        feeds: gives those of the comparison, each time from the first.
        kinds: as `compare.verdict`.

    Returns:
        The verdict, with the sentence of `explain_noise_gain` behind a failure.
    """
    found = verdict(agreement, precision, reference, feeds(), kinds)
    failed = found.startswith("fail") and not agreement.problem
    return found + explain_noise_gain(reference, feeds()) if failed and precision in EXPECTED else found


def explain_noise_gain(reference: Session, feeds: Iterable[Mapping[str, np.ndarray]]) -> str:
    """Say that the model itself is why an artifact in 8 bits cannot agree.

    Args:
        reference: the model in float.
        feeds: as `compare` takes them; a few are run.

    Returns:
        A clause for a verdict; "" where the model does not amplify noise.
    """
    few = [feed for feed, _ in zip(feeds, range(MOST_FEEDS), strict=False)]
    found = compare(reference, NoisySession(reference), few)
    if found.problem or not found.snr_db < NOISE_DB - UNSTABLE_DB:
        return ""
    return (
        f"; the float model itself turns noise {NOISE_DB:.0f} dB below its inputs into noise {found.snr_db:.0f} dB "
        f"below its outputs, {NONE_CAN}"
    )


def _add_noise(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if array.dtype != np.float32:
        return array
    return array + (random.standard_normal(array.shape) * array.std() * 10 ** (-NOISE_DB / 20)).astype(np.float32)
