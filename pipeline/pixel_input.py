"""Lets a graph take pixels: in its first layer where that is cheaper, else by a normalisation in front of it."""

from typing import TYPE_CHECKING

from ..models import PreprocessSpec
from ..targets.target import Target

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..exporters.input_normalization import FoldedNormalization


def fold_normalization(
    graph: "ir.Model", target: Target, preprocess: PreprocessSpec, *, quantized: bool
) -> "FoldedNormalization | None":
    """The graph whose first layer reads pixels; None where the target does not fold, or the layer cannot.

    Whether it is one is decided here alone: by whoever quantises, lowers or compares a graph.
    """
    from ..exporters.input_normalization import Normalization
    from ..exporters.input_normalization import fold_normalization as fold

    if not target.folds:
        return None
    return fold(graph, Normalization(preprocess.mean, preprocess.std), whole=quantized)


def prepend_normalization(graph: "ir.Model", preprocess: PreprocessSpec) -> "ir.Model":
    """The graph with the normalisation of pixels in front of it."""
    from ..exporters.input_normalization import Normalization
    from ..exporters.input_normalization import prepend_normalization as prepend

    return prepend(graph, Normalization(preprocess.mean, preprocess.std))


def take_pixels(graph: "ir.Model", target: Target, preprocess: PreprocessSpec) -> "ir.Model":
    """The graph, float or with its own quantisation, as an artifact computes it that takes pixels."""
    found = fold_normalization(graph, target, preprocess, quantized=False)
    return found.model if found else prepend_normalization(graph, preprocess)
