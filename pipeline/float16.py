"""Finds, on a few inputs, what of an artifact float16 cannot compute, mends it where that is possible, and says so."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..targets.target import STATIC, Recipe, Target
from .data.dataset import Dataset
from .prepare import Prepared
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

NUM_INPUTS = 4  # that the graph is run on; int8 knows more from its calibration


def fit_float16(target: Target, recipe: Recipe, graph: "ir.Model", prepared: Prepared) -> "tuple[ir.Model, Recipe]":
    """The graph with its masks in float16's range where it is computed in that; the recipe knows what stays float32."""
    from .. import quantize

    if recipe.profile.float16 or (recipe.precision != "fp16" and recipe.precision not in target.float16):
        return graph, recipe
    inputs = few_inputs(recipe, prepared)
    values = prepared.statistics.values if prepared.statistics and recipe.precision in STATIC else {}
    known = {name: max(abs(found.min), abs(found.max)) for name, found in values.items()}
    fitted, beyond = quantize.prepare_float16(graph, inputs.feeds(), known)
    computes = recipe.precision in target.float16
    return fitted if computes else graph, dataclasses.replace(recipe, beyond_float16=beyond)


def scale_float16(
    target: Target, recipe: Recipe, graph: "ir.Model", prepared: Prepared, progress: Progress, seconds: dict[str, float]
) -> "tuple[ir.Model, Recipe]":
    """The float graph with the scales that keep it in float16's range, where the profile's device computes in that.

    The recipe knows what is beyond it all the same.
    """
    from .. import quantize

    if not recipe.profile.float16:
        return graph, recipe
    with progress.stage(f"{target.name} {recipe.precision}: make it safe in float16", seconds, "float16"):
        feeds = list(few_inputs(recipe, prepared).feeds())
        graph, beyond = quantize.make_float16_safe(graph, feeds, [noise_like(feeds[0])])
    return graph, dataclasses.replace(recipe, beyond_float16=beyond)


def noise_like(feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Noise of the types of a feed: in a product of many values it reaches far beyond what images do."""
    random = np.random.default_rng(0)
    drawn: dict[str, np.ndarray] = {}
    for name, array in feed.items():
        if array.dtype == np.uint8:
            drawn[name] = random.integers(0, 256, array.shape, np.uint8)
        else:
            normal = array.dtype == np.float32
            drawn[name] = random.standard_normal(array.shape, np.float32) if normal else array
    return drawn


def few_inputs(recipe: Recipe, prepared: Prepared) -> Dataset:
    """The few inputs that tell ranges, as the artifact takes them."""
    inputs, spec = (prepared.calibration or prepared.validation).take(NUM_INPUTS), prepared.source.input_spec.preprocess
    return inputs.as_pixels(spec) if recipe.pixels and spec else inputs


def tell_beyond_float16(target: Target, recipe: Recipe, progress: Progress) -> None:
    """A note that names the first operator, where there is one."""
    beyond = recipe.beyond_float16
    if not beyond:
        return
    name, why = next(iter(beyond.items()))
    count = f"{len(beyond)} operator{'s' * (len(beyond) > 1)}"
    what = f"{target.name} {recipe.precision}: {count} cannot be computed in float16 ({name}: {why}, ...)"
    if recipe.precision in target.float16:
        progress.note(f"{what}; float32 there, the manifest lists them")
    else:
        progress.warn(f"{what}; the manifest lists them. Run it in float32: a GPU takes float16 unless it is told")
