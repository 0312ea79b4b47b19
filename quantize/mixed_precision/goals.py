"""List the accuracy budgets: what each judges, on which samples, and what the search follows on its way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...runtime.compare_samples import Samples
from ...tasks.agreement import FigureSpec
from ...tasks.registry import budgets


@dataclass(frozen=True)
class Goal:
    """A kind of budget.

    Attributes:
        words: what the figure is, for people.
        sign: +1 where more is better, -1 where less is.
        form: how the figure is written.
        figure: samples -> (the figure, its standard error).
        loss: samples -> what falls steadily while the figure, which may count a few samples only, stands still.
        leads: whether the search follows the figure where two differ by more than a standard error, and the loss alone
            where they tie; else it follows the loss.
    """

    words: str
    sign: int
    form: str
    figure: Callable[[Samples], tuple[float, float]]
    loss: Callable[[Samples], float]
    leads: bool = False

    def met(self, figure: float, limit: float) -> bool:
        """Whether the figure is as good as the limit; a NaN never is."""
        return self.sign * figure >= self.sign * limit


def snr_db(samples: Samples) -> tuple[float, float]:
    """10 log10(sum signal / sum noise) of the worst output, and its standard error by the delta method, in dB."""
    worst = (math.inf, 0.0)
    for signal, noise in zip(samples.signal, samples.noise, strict=True):
        if not np.isfinite(noise).all():
            return math.nan, math.nan
        if not noise.any() or not signal.any():
            continue
        decibel = 10 * math.log10(signal.sum() / noise.sum())
        relative = noise / noise.mean() - signal / signal.mean()
        worst = min(worst, (decibel, 10 / math.log(10) * float(relative.std()) / math.sqrt(len(noise))))
    return worst


def _rate(count: Callable[[Samples], np.ndarray | None]) -> Callable[[Samples], tuple[float, float]]:
    def figure(samples: Samples) -> tuple[float, float]:
        counted = count(samples)
        assert counted is not None, "only of a classifier"
        return float(np.mean(counted)), float(np.std(counted)) / math.sqrt(len(counted))

    return figure


def _noise(samples: Samples) -> float:
    return 10 ** (-snr_db(samples)[0] / 10)


def _kl(samples: Samples) -> float:
    assert samples.kl is not None
    return float(samples.kl.mean())


def _of_task(spec: FigureSpec) -> Goal:
    """The goal on a task's own figure, which somebody collects with the samples."""

    def figure(samples: Samples) -> tuple[float, float]:
        return samples.figures.get(spec.name, (math.nan, math.nan))

    return Goal(spec.words, spec.sign, spec.form, figure, _noise, leads=True)


GOALS = {
    "max_drop": Goal("drop of top-1", -1, ".4f", _rate(lambda samples: samples.lost), _kl),
    "min_agreement": Goal("top-1 agreement with float", +1, ".4f", _rate(lambda samples: samples.agree), _kl),
    "min_snr": Goal("SNR in dB", +1, ".2f", snr_db, _noise),
    **{name: _of_task(task.figure(figure)) for name, (task, figure) in budgets().items()},
}
