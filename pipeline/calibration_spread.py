"""How far int8 depends on which inputs calibrate: the target's Q/DQ graph from halves of them, judged on others."""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from .. import quantize
from ..artifacts.manifest import CalibrationSpread
from .int8 import Int8Builder
from .prepare import NUM_CORRECTING, NUM_SHARDS

if TYPE_CHECKING:
    from ..quantize import Kept, Plan, Statistics

NUM_JUDGING = 32  # validation inputs
LARGE_DB = 1.5  # a spread of the SNR that is warned of
NUM_NAMED = 3  # units that a warning names


def measure_spread(int8: Int8Builder, kept: "Kept", halves: int) -> CalibrationSpread:
    """The spread over so many halves, with the units in `kept` in float.

    A half gives its own ranges, biases from its own inputs, and the outputs' scaling; the equalisation and, at the
    highest effort, the rounding of weights are not done again. Warns where the spread is large.
    """
    prepared, progress, name = int8.prepared, int8.progress, int8.target.name
    assert prepared.calibration is not None
    judging = prepared.validation.take(NUM_JUDGING)
    snr_db, agreement, plans = [], [], []
    text = f"{name}: int8 of {halves} halves of the calibration inputs"
    with progress.stage(text, int8.seconds, "calibrate", halves) as advance:
        held = quantize.HeldOut(int8.model, int8.as_taken(judging).feeds())
        for done, pair in enumerate(choose_halves(halves), start=1):
            statistics = quantize.Statistics.merged([prepared.shards[shard] for shard in pair])
            inputs = prepared.calibration.shards(pair, NUM_SHARDS).take(NUM_CORRECTING // 2)
            plan, graph = int8.quantize_part(statistics, inputs, kept)
            judged = held.judge(graph)
            snr_db.append(judged.snr_db if np.isfinite(judged.loss) else None)
            agreement += [] if judged.agreement is None else [judged.agreement]
            plans.append(plan)
            advance(done)
    spread = CalibrationSpread(
        inputs=sum(prepared.shards[shard].samples for shard in (0, 1)),
        samples=len(judging),
        snr_db=tuple(snr_db),
        agreement=tuple(agreement),
        units=tuple(rank_units(plans, int8.statistics)[:NUM_NAMED]),
    )
    if spread.range_db > LARGE_DB:
        where = f"; most at {', '.join(map(repr, spread.units))}" if spread.units else ""
        progress.warn(
            f"{name}: int8 depends on which inputs calibrate: {spread}{where}. Give more of them, or more different "
            "ones; --keep-float leaves units in float"
        )
    return spread


def choose_halves(count: int) -> list[tuple[int, ...]]:
    """The shards of each half: always a half and the other."""
    pairs = list(itertools.combinations(range(NUM_SHARDS), 2))
    return [pair for i in range(len(pairs) // 2) for pair in (pairs[i], pairs[-1 - i])][:count]


def rank_units(plans: "list[Plan]", statistics: "Statistics") -> list[str]:
    """The values that all plans round, those first whose noise, as a share of their energy, differs most among them."""
    common = set.intersection(*(set(plan.activations) for plan in plans))
    differences = {}
    for name in plans[0].activations:
        if name in common and name in statistics.values:
            shares = [_noise(plan.activations[name], statistics, name) for plan in plans]
            differences[name] = max(shares) - min(shares)
    return sorted((name for name in differences if differences[name] > 0), key=lambda name: -differences[name])


def _noise(params: quantize.QParams, statistics: "Statistics", name: str) -> float:
    """What rounding and clipping do to all that was seen of a value, over its energy."""
    histogram = statistics[name].histogram
    keep = histogram.counts > 0
    x, count = histogram.centres[keep], histogram.counts[keep]
    error = params.dequantize(params.quantize(x)) - x
    return float((np.square(error) @ count) / max(float(np.square(x) @ count), np.finfo(np.float64).tiny))
