"""Lets a graph take pixels: in its first layer where that is cheaper, else by a normalisation in front of it."""

from typing import TYPE_CHECKING

from ..models import PreprocessSpec
from ..targets.target import Target

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..exporters.input_normalization import FoldedNormalization, Normalization


def fold_normalization(
    graph: "ir.Model", target: Target, preprocess: PreprocessSpec, *, quantized: bool
) -> "FoldedNormalization | None":
    """The graph whose first layer reads pixels; None where the target does not fold, or the layer cannot.

    Whether it is one is decided here alone: by whoever quantises, lowers or compares a graph.
    """
    from ..exporters.input_normalization import fold_normalization as fold

    if not target.folds:
        return None
    return fold(graph, normalization(target, preprocess), whole=quantized)


def prepend_normalization(graph: "ir.Model", target: Target, preprocess: PreprocessSpec) -> "ir.Model":
    """The graph with the normalisation of pixels in front of it."""
    from ..exporters.input_normalization import prepend_normalization as prepend

    return prepend(graph, normalization(target, preprocess))


def normalization(target: Target, preprocess: PreprocessSpec) -> "Normalization":
    """What the graph does with pixels, which are RGB unless the format brings them to the model's order itself."""
    from ..exporters.input_normalization import Normalization

    reverses = preprocess.color == "bgr" and not target.orders_channels
    return Normalization(preprocess.pixel_mean, preprocess.pixel_std, reverses)


def take_pixels(graph: "ir.Model", target: Target, preprocess: PreprocessSpec) -> "ir.Model":
    """The graph, float or with its own quantisation, as an artifact computes it that takes pixels."""
    found = fold_normalization(graph, target, preprocess, quantized=False)
    return found.model if found else prepend_normalization(graph, target, preprocess)
