"""Makes the int8 graphs of one target, which differ in what stays float."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..targets.target import Target
from .pixel_input import fold_normalization, prepend_normalization
from .prepare import NUM_CORRECTING, Prepared, takes_pixels
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Kept, Plan


class Int8Builder:
    """The float graph as the target's kernels want it, and its quantisations, from the statistics all targets share.

    Biases are corrected for what the target rounds: corrected for another one they are worse than not at all (a
    MobileViT-XS for OpenVINO: 26.9 dB, 21.8 with TFLite's biases, 24.5 with none corrected).

    Attributes:
        inputs: those that correct, in the form that the graph takes.
    """

    def __init__(self, target: Target, prepared: Prepared, progress: Progress, seconds: dict[str, float]):
        from ..quantize.calibration.observers import OBSERVERS

        assert prepared.statistics is not None
        assert prepared.calibration is not None
        self.target, self.prepared, self.progress, self.seconds = target, prepared, progress, seconds
        self.kernels = target.kernels(prepared.job.quantization.profile)
        self.inputs = prepared.calibration.take(NUM_CORRECTING)
        self._observe = remember_ranges(OBSERVERS[prepared.job.quantization.ranges])
        graph, self._known, self._prepend = prepared.equalized, {}, None
        spec = prepared.source.input_spec.preprocess
        if spec and takes_pixels(prepared.job, target.name):
            if found := fold_normalization(graph, target, spec, quantized=True):
                graph, self._known = found.model, found.ranges
                self.inputs = self.inputs.as_pixels(spec)
            else:
                self._prepend = spec
        with progress.stage(f"{target.name}: plan int8", seconds, "calibrate"):
            self.model, self._statistics = self.kernels.apply_rewrites(
                self.kernels.apply_forms(graph), prepared.statistics
            )
            self.plan()

    def plan(self, kept: "Kept" = frozenset()) -> "Plan":
        """What runs in int8 where the units in `kept` do not."""
        from .. import quantize

        options = {"observer": self._observe, "keep_float": kept, "known": self._known}
        return quantize.plan(self.model, self._statistics, self.kernels, **options)

    def tune(self, plan: "Plan", progress: Progress | None = None) -> "ir.Model":
        """The float graph with weights and biases fit for the plan, as the effort says."""
        from .. import quantize

        progress, name, graph = progress or self.progress, self.target.name, self.model
        if self.prepared.effort == "high":
            text = f"{name}: round the weights"
            with progress.stage(text, self.seconds, "calibrate", len(self.inputs)) as advance:
                graph = quantize.round_weights(graph, plan, self.inputs.feeds(), progress=advance)
        with progress.stage(f"{name}: correct the biases", self.seconds, "calibrate"):
            if self.prepared.effort == "fast":
                return quantize.correct_for_weights(graph, plan, self.inputs.feeds())
            return quantize.correct_biases(graph, plan, self.inputs.feeds(), reference=self.model)

    def apply(self, tuned: "ir.Model", plan: "Plan") -> "ir.Model":
        """The graph with int8 written into it, as the artifact computes it."""
        from .. import quantize

        graph = quantize.apply(tuned, plan)
        return prepend_normalization(graph, self.target, self._prepend) if self._prepend else graph

    def build(self, kept: "Kept" = frozenset()) -> "ir.Model":
        """The int8 graph in which the units in `kept` are float."""
        plan = self.plan(kept)
        return self.apply(self.tune(plan), plan)

    def select(self, patterns: Iterable[str]) -> "Kept":
        """The units that --keep-float names. Raises UsageError for a pattern that names none."""
        from .. import quantize

        try:
            return quantize.select(self.model.graph, self.plan(), patterns)
        except quantize.QuantizeError as e:
            raise UsageError(f"--keep-float: {e}") from e


def remember_ranges(observe: Callable) -> Callable:
    """The same observer, asked once for each value: a search plans many times from the same statistics."""
    known = {}

    def ask(statistics, *function):
        key = (id(statistics), *function)
        if key not in known:
            known[key] = observe(statistics, *function)
        return known[key]

    return ask
