"""Return to float, or raise to int16, the fewest units, by what they cost, until the artifact meets a budget.

Greedy by ratio: of the units that a cheap measure ranks first, each is tried on the artifact itself, and the one that
wins most accuracy per time goes back to float for good; at the end those that turn out not to be needed return to int8.
How artifacts are made and run is the caller's to say; nothing here knows a target.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import onnx_ir as ir

from ...graph.edit import maker, module_path, name_of
from ...graph.fusion import Unit
from ..plan import Plan
from .sensitivity import Sensitivity

TRIED = 8  # candidates that are measured in a step: the most sensitive that have not failed before
LARGEST = 1 / 8  # of all int8 units: modules of modules with more are no candidates, one step would take too much
LEAST_COST = 0.02  # of the base's latency: differences below it cannot be told from noise
SLOWER = 1.03  # of the float twin's latency: from here on an artifact counts as slower

Kept = frozenset[str]  # units in float, by their outputs


@dataclass(frozen=True)
class Candidate:
    """Units that go back to float together: those within one module, or those on both sides of one value."""

    name: str
    units: Kept


@dataclass(frozen=True)
class Measured:
    """One artifact.

    Attributes:
        figure: of the budget's goal, on the samples that the search may see.
        met: whether the figure, less its standard error, is within the budget.
        loss: what the search follows, falling.
        snr_db: of the outputs, whatever the goal.
        standard_error: of the figure; NaN for too few samples.
        sign: +1 where more of the figure is better and -1 where less is, of one that leads the search; 0 of another.
        median_ms: latency, None where it means nothing.
        ratio: of it to the float twin's in the same run, or None.
    """

    figure: float
    met: bool
    loss: float
    snr_db: float
    median_ms: float | None = None
    ratio: float | None = None
    standard_error: float = math.nan
    sign: int = 0

    @property
    def slower(self) -> bool:
        """Than the float twin."""
        return self.ratio is not None and self.ratio > SLOWER


@dataclass(frozen=True)
class Step:
    """A point of the frontier: what changed ("+ a.b", "- a.b", "" for the start), all that is in float, the result."""

    change: str
    kept: Kept
    measured: Measured
    note: str = ""


@dataclass(frozen=True)
class Search:
    """How a search went; `chosen` is the step whose artifact is to be kept, `why` says why it ended without success."""

    steps: tuple[Step, ...]
    chosen: Step
    why: str = ""


class Bench(Protocol):
    """What makes and runs artifacts."""

    def full(self, kept: Kept) -> Measured:
        """The artifact as it is exported."""
        ...

    def trial(self, kept: Kept) -> tuple[Measured, float | None]:
        """The artifact made quickly, from what was tuned for the last full one; and the ms it takes more than that."""
        ...


def candidates(graph: ir.Graph, plan: Plan, sensitivity: Sensitivity, among: Kept | None = None) -> list[Candidate]:
    """The int8 units of each module, with those of all within it, and the neighbours of each rounded value; of those
    `among` the given ones, where some are.

    In the order of the units' sensitivity, on average: what wins most per unit comes first.
    """
    modules: dict[str, list[str]] = defaultdict(list)
    values: dict[str, list[str]] = defaultdict(list)
    names = unit_modules(graph, plan.units)
    for unit in plan.units:
        if unit.is_integer and (among is None or unit.output in among):
            path = names[unit.output].split(".")
            for name in accumulate(path, "{}.{}".format) if path != [""] else [unit.output]:
                modules[name].append(unit.output)
            for value in {*unit.operands, unit.output}:
                values[value].append(unit.output)
    own = {names[unit] or unit for unit in sensitivity.units}
    modules = {n: units for n, units in modules.items() if n in own or len(units) <= LARGEST * len(sensitivity.units)}
    ranked = [
        (sum(sensitivity.units[name] for name in units) / len(units), name, units) for name, units in modules.items()
    ]
    ranked += [
        (sensitivity.values[name] / len(units), f"around {name}", units)
        for name, units in values.items()
        if name in sensitivity.values
    ]
    first: dict[Kept, str] = {}
    for _, name, units in sorted(ranked, key=lambda each: (-each[0], len(each[2]), -len(each[1]))):
        first.setdefault(frozenset(units), name)
    return [Candidate(name, units) for units, name in first.items()]


def unit_modules(graph: ir.Graph, units: Sequence[Unit]) -> dict[str, str]:
    """{a unit's output: the path of the PyTorch module of its first node, "" where it is not known}."""
    values = {name_of(output): output for node in graph for output in node.outputs}
    return {unit.output: module_path(maker(values[unit.nodes[0]])) for unit in units}


def search(
    bench: Bench,
    pool: Sequence[Candidate],
    *,
    start: Kept = frozenset(),
    steps: int,
    tell: Callable[[Step], None] = lambda step: None,
    raised_to: str = "float",
) -> Search:
    """Steps until the budget is met, at most `steps` of them; `tell` hears of each as it is done. `raised_to` is what
    units become, in words.

    Ends without success where the artifact is slower than its float twin, nothing is left to try, or the steps are
    used up; the nearest step is chosen then.
    """
    done: list[Step] = []

    def step(change: str, kept: Kept) -> Step:
        measured = bench.full(kept)
        done.append(Step(change, kept, measured, "slower than float" if measured.slower else ""))
        tell(done[-1])
        return done[-1]

    base, waiting, taken = step("", start), list(pool), []
    while not base.measured.met:
        waiting = [each for each in waiting if not each.units <= base.kept]
        why = _end(base, waiting, len(done) - 1, steps, raised_to)
        if why:
            return Search(tuple(done), min(done, key=_distance), why)
        best, waiting = _best(bench, base, waiting)
        taken.append(best)
        base = step(f"+ {best.name}", base.kept | best.units)
    return Search(tuple(done), base) if len(taken) < 2 else _pruned(step, done, base, taken, start)


def _distance(step: Step) -> tuple[float, float]:
    """By the figure, where it leads, and by the loss."""
    made = step.measured
    figure = -made.sign * made.figure if made.sign else 0.0
    return tuple(math.inf if math.isnan(each) else each for each in (figure, made.loss))  # pyright: ignore[reportReturnType]


def _gain(before: Measured, after: Measured) -> float:
    """What an artifact has won over another: of the figure, where it leads and they are apart by more than a standard
    error, so many of these; and of the loss, which is below one."""
    if math.isnan(after.loss):
        return -math.inf
    gain = math.inf if math.isnan(before.loss) else before.loss - after.loss
    apart, error = after.sign * (after.figure - before.figure), max(before.standard_error, after.standard_error)
    return gain + apart / error if after.sign and error > 0 and abs(apart) > error else gain


def _end(base: Step, waiting: list[Candidate], used: int, steps: int, raised_to: str) -> str:
    if base.measured.slower:
        return f"the artifact takes {base.measured.ratio:.2f} of its float twin's time; export it in float"
    if not waiting:
        return f"all that can be in {raised_to} is"
    return f"--budget-steps {steps} are used up" if used >= steps else ""


def _best(bench: Bench, base: Step, waiting: list[Candidate]) -> tuple[Candidate, list[Candidate]]:
    """The candidate that wins most per cost, and all others; those that win nothing go to the end of the queue.

    TRIED at a time are measured, until one wins something; where none does, the one that loses least is taken.
    """
    ratios: dict[Candidate, float] = {}
    for each in waiting:
        if len(ratios) % TRIED == 0 and any(ratio > 0 for ratio in ratios.values()):
            break
        measured, slower_ms = bench.trial(base.kept | each.units)
        gain = _gain(base.measured, measured)
        ratios[each] = gain / _cost(each, base, slower_ms) if gain > 0 else gain
    best = max(ratios, key=lambda each: ratios[each])
    useless = [each for each, ratio in ratios.items() if ratio <= 0]
    others = [each for each in waiting if each not in useless]
    return best, [each for each in (*others, *useless) if each != best]


def _cost(candidate: Candidate, base: Step, slower_ms: float | None) -> float:
    """What it takes to have the units in float: the time, or where there is none, their number."""
    if slower_ms is None or base.measured.median_ms is None:
        return len(candidate.units - base.kept)
    return max(slower_ms / base.measured.median_ms, LEAST_COST)


def _pruned(
    step: Callable[[str, Kept], Step], done: list[Step], base: Step, taken: list[Candidate], start: Kept
) -> Search:
    """Takes back, one by one, what the later steps have made needless; the last one taken is what met the budget."""
    needed = list(taken)
    for each in taken[:-1]:
        others = [other for other in needed if other != each]
        kept = start.union(*(other.units for other in others))
        if kept < base.kept and (tried := step(f"- {each.name}", kept)).measured.met:
            base, needed = tried, others
    return Search(tuple(done), base)
