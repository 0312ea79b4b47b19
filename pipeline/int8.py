"""This file makes the int8 graphs of one target, which differ in what stays float."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..cli.console import Console
from ..runtime.pixels import normalisation
from ..targets.registry import Target
from .prepare import NUM_CORRECTING, Prepared

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Kept, Plan


class Int8:
    """The float graph as the target's scheme wants it, and its quantisations, from the statistics all targets share.

    Biases are corrected for what the target rounds: corrected for another one they are worse than not at all (a
    MobileViT-XS for OpenVINO: 26.9 dB, 21.8 with TFLite's biases, 24.5 with none corrected).

    Attributes:
        reads_pixels: the graph takes an image as it is, not normalised.
        inputs: those that correct, in the form that the graph takes.
    """

    def __init__(self, target: Target, prepared: Prepared, console: Console, seconds: dict[str, float]):
        from ..exporters.input_normalization import folded
        from ..quantize.calibration.observers import OBSERVERS

        assert prepared.statistics is not None
        assert prepared.calibration is not None
        self.target, self.prepared, self.console, self.seconds = target, prepared, console, seconds
        self.scheme = target.scheme(prepared.job.profile)
        self.inputs = prepared.calibration.take(NUM_CORRECTING)
        self._observe = remembered(OBSERVERS[prepared.job.ranges])
        graph, self._known, self.reads_pixels = prepared.even, {}, False
        spec = prepared.subject.takes.preprocess
        if target.folds and prepared.job.takes_pixels(target.name) and spec:
            found = folded(graph, normalisation(spec), whole=True)
            if found:
                graph, self._known, self.reads_pixels = found.model, found.ranges, True
                self.inputs = self.inputs.as_pixels(spec)
        with console.stage(f"{target.name}: plan int8", seconds, "calibrate"):
            self.model, self._statistics = self.scheme.apply_rewrites(
                self.scheme.apply_forms(graph), prepared.statistics
            )
            self.plan()

    def plan(self, kept: "Kept" = frozenset()) -> "Plan":
        """What runs in int8 where the units in `kept` do not."""
        from .. import quantize

        options = {"observer": self._observe, "keep_float": kept, "known": self._known}
        return quantize.plan(self.model, self._statistics, self.scheme, **options)

    def tuned(self, plan: "Plan", console: Console | None = None) -> "ir.Model":
        """The float graph with weights and biases fit for the plan, as the effort says."""
        from .. import quantize

        console, name, graph = console or self.console, self.target.name, self.model
        if self.prepared.effort == "high":
            text = f"{name}: round the weights"
            with console.stage(text, self.seconds, "calibrate", len(self.inputs)) as advance:
                graph = quantize.round_weights(graph, plan, self.inputs.feeds(), progress=advance)
        with console.stage(f"{name}: correct the biases", self.seconds, "calibrate"):
            if self.prepared.effort == "fast":
                return quantize.correct_for_weights(graph, plan, self.inputs.feeds())
            return quantize.correct_biases(graph, plan, self.inputs.feeds(), reference=self.model)

    def graph(self, kept: "Kept" = frozenset()) -> "ir.Model":
        """The graph with int8 written into it."""
        from .. import quantize

        plan = self.plan(kept)
        return quantize.apply(self.tuned(plan), plan)

    def named(self, patterns: Iterable[str]) -> "Kept":
        """The units that --keep-float names. Raises UsageError for a pattern that names none."""
        from .. import quantize

        try:
            return quantize.select(self.model.graph, self.plan(), patterns)
        except quantize.QuantizeError as e:
            raise UsageError(f"--keep-float: {e}") from e


def remembered(observe: Callable) -> Callable:
    """The same observer, asked once for each value: a search plans many times from the same statistics."""
    known = {}

    def ask(statistics, *function):
        key = (id(statistics), *function)
        if key not in known:
            known[key] = observe(statistics, *function)
        return known[key]

    return ask
