"""Makes the quantised graphs of one target, which differ in what is not int8: float, or int16 where there is none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..targets.target import Target
from .data.dataset import Dataset
from .pixel_input import fold_normalization, prepend_normalization
from .prepare import NUM_CORRECTING, Prepared, takes_pixels
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..graph.fusion import Int16, Unit
    from ..quantize import Judged, Kept, Plan, Scalings, Statistics


NUM_ANALYTIC = 8  # inputs whose means tell what rounding the weights does, where factors are tried


@dataclass(frozen=True)
class Tuned:
    """A float graph whose weights and biases fit a plan, and what its outputs are scaled by in its last layers."""

    graph: "ir.Model"
    scalings: "Scalings" = field(default_factory=dict)


class Int8Builder:
    """The float graph as the target's kernels want it, and its quantisations, from the statistics all targets share.

    Biases are corrected for what the target rounds: corrected for another one they are worse than not at all (a
    MobileViT-XS for OpenVINO: 26.9 dB, 21.8 with TFLite's biases, 24.5 with none corrected).

    Attributes:
        inputs: those that correct, in the form that the graph takes.
        held: others that judge the corrections.
        statistics: of the values of `model`, the float graph in the form that the kernels like.
        raises_to: what becomes of units whose error is too large in int8: "float", or "int16" on a device without.
    """

    def __init__(self, target: Target, prepared: Prepared, progress: Progress, seconds: dict[str, float]):
        from .. import quantize
        from ..quantize.calibration.observers import OBSERVERS

        assert prepared.statistics is not None
        assert prepared.calibration is not None
        self.target, self.prepared, self.progress, self.seconds = target, prepared, progress, seconds
        self.kernels = target.kernels(prepared.job.quantization.profile, prepared.job.precision)
        self.raises_to = "float" if self.kernels.has_float else "int16"
        inputs, held = prepared.calibration.take(NUM_CORRECTING).hold_back()
        if prepared.effort == "fast":  # nothing is compared, so all correct
            inputs, held = prepared.calibration.take(NUM_CORRECTING), inputs.take(0)
        self._observe = remember_ranges(OBSERVERS[prepared.job.quantization.ranges])
        self._graph, self._known, self._prepend, self._pixels = prepared.equalized, {}, None, None
        spec = prepared.source.input_spec.preprocess
        if spec and takes_pixels(prepared.job, target.name):
            if found := fold_normalization(self._graph, target, spec, quantized=True):
                self._graph, self._known, self._pixels = found.model, found.ranges, spec
            else:
                self._prepend = spec
        self.inputs = self.as_taken(inputs)
        with progress.stage(f"{target.name}: plan int8", seconds, "calibrate"):
            self.model, self.statistics = self._rewrite(prepared.statistics)
            self.plan()
            self.held = quantize.HeldOut(self.model, self.as_taken(held).feeds())
        if prepared.gates:
            with progress.stage(f"{target.name}: equalise behind gates", seconds, "calibrate"):
                self._equalize_gates(prepared.statistics)

    def as_taken(self, inputs: Dataset) -> Dataset:
        """The model's inputs as the graph takes them."""
        return inputs.as_pixels(self._pixels) if self._pixels else inputs

    def _rewrite(self, statistics: "Statistics") -> "tuple[ir.Model, Statistics]":
        return self.kernels.apply_rewrites(self.kernels.apply_forms(self._graph), statistics)

    def _equalize_gates(self, statistics: "Statistics") -> None:
        """Takes the factors behind gates, if int8 comes nearer to float on the held inputs by them."""
        from .. import quantize

        gates, before = self.prepared.gates, (self._graph, self.model, self.statistics)
        plain = self._estimate()
        self._graph = quantize.apply_equalization(self._graph, gates)
        self.model, self.statistics = self._rewrite(statistics)
        if self._estimate().is_better(plain):
            known = {**self.prepared.equalization, **gates}
            self.prepared = replace(self.prepared, equalization=known)
        else:
            self._graph, self.model, self.statistics = before

    def _estimate(self) -> "Judged":
        """How int8 does on the held inputs with the biases of the lowest effort."""
        from .. import quantize

        plan, few = self.plan(), self.inputs.take(NUM_ANALYTIC)
        tuned = quantize.correct_for_weights(self.model, plan, few.feeds())
        return self.held.judge(quantize.apply(tuned, plan))

    def plan(self, kept: "Kept" = frozenset()) -> "Plan":
        """What runs in int8 where the units in `kept` do not; in int16 all that can where that is the precision."""
        return self._plan(self.model, self.statistics, kept)

    def _plan(self, graph: "ir.Model", statistics: "Statistics", kept: "Kept") -> "Plan":
        from .. import quantize

        int16: Int16 = "all" if self.prepared.job.precision == "int16x8" else kept if self.raises_to == "int16" else ()
        floats = kept if self.raises_to == "float" else ()
        options = {"observer": self._observe, "int16": int16, "keep_float": floats, "known": self._known}
        return quantize.plan(graph, statistics, self.kernels, **options)

    def tell_types(self) -> None:
        """Says which units have not the type of integers that the precision means, and why."""
        wanted = "int16" if self.prepared.job.precision == "int16x8" else "int8"
        for units in _by_reason(unit for unit in self.plan().units if unit.precision != wanted and unit.why):
            first, count = units[0], f"and {len(units) - 1} more of its kind " if len(units) > 1 else ""
            if wanted == "int16" or first.precision == "int16":
                self.progress.note(
                    f"{self.target.name}: {first.kind} '{first.output}' {count}in {first.precision}: {first.why}"
                )

    def raisable(self) -> "Kept":
        """The units that need not be int8: all of them, or those with a kernel of int16."""
        from ..graph.fusion import find_units

        units = find_units(self.model.graph, self.kernels, "all" if self.raises_to == "int16" else ())
        return frozenset(u.output for u in units if self.raises_to == "float" or u.precision == "int16")

    def quantize_part(self, statistics: "Statistics", inputs: Dataset, kept: "Kept") -> "tuple[Plan, ir.Model]":
        """(the plan, the int8 graph) that other statistics give, and other inputs that correct; weights are not
        rounded layer by layer."""
        from .. import quantize

        graph, rewritten = self._rewrite(statistics)
        plan = self._plan(graph, rewritten, kept)
        feeds = self.as_taken(inputs).feeds()
        if self.prepared.effort == "fast":
            return plan, quantize.apply(quantize.correct_for_weights(graph, plan, feeds), plan)
        corrected = quantize.correct_and_compare(graph, plan, feeds)
        scaled = quantize.scale_outputs(corrected.model, plan, quantize.fit_scalings(corrected.pairs))
        return plan, quantize.apply(*scaled)

    def tune(self, plan: "Plan", progress: Progress | None = None) -> Tuned:
        """The float graph with weights and biases fit for the plan, as the effort says.

        On the held inputs, what a lower effort does replaces it where that is better by more than chance would have it,
        and rounded weights are kept where they are better at all.
        """
        from .. import quantize

        progress, effort = progress or self.progress, self.prepared.effort
        if effort == "fast":
            return Tuned(self.correct_for_weights(plan, progress))
        with progress.stage(f"{self.target.name}: correct the biases", self.seconds, "calibrate"):
            kept, rounded = self.correct_layer_by_layer(self.model, plan), None
        if effort == "high":
            text = f"{self.target.name}: round the weights"
            with progress.stage(text, self.seconds, "calibrate", len(self.inputs)) as advance:
                graph = quantize.round_weights(self.model, plan, self.inputs.feeds(), progress=advance)
            with progress.stage(f"{self.target.name}: correct the biases", self.seconds, "calibrate"):
                rounded = self.correct_layer_by_layer(graph, plan)
        if not self.held:
            return rounded or kept
        with progress.stage(f"{self.target.name}: compare on held inputs", self.seconds, "calibrate"):
            judged, kept = self.judge(kept, plan)
            simple = Tuned(quantize.correct_for_weights(self.model, plan, self.inputs.feeds()))
            if (other := self.judge(simple, plan))[0].is_better(judged):
                judged, kept = other
            if rounded and (other := self.judge(rounded, plan))[0].loss < judged.loss:
                judged, kept = other
            return kept

    def correct_for_weights(self, plan: "Plan", progress: Progress) -> "ir.Model":
        """The biases of the lowest effort."""
        from .. import quantize

        with progress.stage(f"{self.target.name}: correct the biases", self.seconds, "calibrate"):
            return quantize.correct_for_weights(self.model, plan, self.inputs.feeds())

    def correct_layer_by_layer(self, graph: "ir.Model", plan: "Plan") -> Tuned:
        """The biases of a graph, which may have rounded weights, and what to scale its outputs by."""
        from .. import quantize

        corrected = quantize.correct_and_compare(graph, plan, self.inputs.feeds(), reference=self.model)
        return Tuned(corrected.model, quantize.fit_scalings(corrected.pairs))

    def judge(self, tuned: Tuned, plan: "Plan") -> "tuple[Judged, Tuned]":
        """(how it does on the held inputs, the tuning with those of its scalings that help there)."""
        from .. import quantize

        judged = self.held.judge(quantize.apply(tuned.graph, plan), tuned.scalings)
        kept = {name: scaling for name, scaling in tuned.scalings.items() if judged.helps(name)}
        return judged, Tuned(tuned.graph, kept)

    def apply(self, tuned: Tuned, plan: "Plan") -> "ir.Model":
        """The graph with int8 written into it, as the artifact computes it."""
        from .. import quantize

        graph = quantize.apply(*quantize.scale_outputs(tuned.graph, plan, tuned.scalings))
        return prepend_normalization(graph, self.target, self._prepend) if self._prepend else graph

    def build(self, kept: "Kept" = frozenset()) -> "ir.Model":
        """The int8 graph in which the units in `kept` are not."""
        plan = self.plan(kept)
        return self.apply(self.tune(plan), plan)

    def select(self) -> "Kept":
        """The units that --keep-float or --keep-int16 names. Raises UsageError for a pattern that names none."""
        from .. import quantize

        asked = self.prepared.job.quantization
        try:
            return quantize.select(self.model.graph, self.plan(), [*asked.keep_float, *asked.keep_int16])
        except quantize.QuantizeError as e:
            raise UsageError(f"--keep-{self.raises_to}: {e}") from e


def _by_reason(units: "Iterable[Unit]") -> "list[list[Unit]]":
    """Those of one kind, type and reason together."""
    found: dict[tuple[str, str, str], list[Unit]] = {}
    for unit in units:
        found.setdefault((unit.kind, unit.precision, unit.why), []).append(unit)
    return list(found.values())


def remember_ranges(observe: Callable) -> Callable:
    """The same observer, asked once for each value: a search plans many times from the same statistics."""
    known = {}

    def ask(statistics, *function):
        key = (id(statistics), *function)
        if key not in known:
            known[key] = observe(statistics, *function)
        return known[key]

    return ask
