"""Proves that the canonical graph computes what the model computes, before anything is made of it.

Everything that follows starts from this graph: what calibrates, what is quantised, what is lowered. A wrong translation
of one operator costs an int8 artifact no more decibels than int8 itself, so no later comparison could tell it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.errors import ArtifactError, ImportFault
from ..graph.fixed_selection import to_runnable_proto
from ..runtime.compare import compare, verdict
from ..runtime.session import Session, TensorSpec
from .data.dataset import random_array
from .progress import Progress
from .sources.source import ModelSource

if TYPE_CHECKING:
    import onnx_ir as ir

Feed = Mapping[str, np.ndarray]

NOISE_SEED = 20  # of the input that is nothing but noise
ROUNDING_DB = 25.0  # between two ways to compute one quantised graph, whose halves may round either way
DIFFERENT = 1e-3  # of a value's spread: far above float32's rounding, far below a wrong operator


def check_import(
    source: ModelSource,
    imported: "ir.Model",
    graph: "ir.Model",
    reference: Session,
    feeds: Sequence[Feed],
    progress: Progress,
) -> Session:
    """Compares a canonical graph with the model that it was made of, on `feeds` and on noise.

    Args:
        source: the model.
        imported: the graph as its frontend made it.
        graph: the canonical one.
        reference: runs the model.
        feeds: inputs of it.
        progress: hears where ONNX Runtime is wrong.

    Returns:
        What to compare artifacts with: `reference`, unless that is ONNX Runtime and differs from ONNX's definition.

    Raises:
        ImportFault: they differ; it names the first operator that does.
    """
    from ..exporters.canonicalize import is_quantized
    from ..exporters.frontends.onnx_file import serialized
    from ..runtime.sessions.onnx import OnnxSession

    feeds = [feed for feed in (*feeds, noise(source.input_spec.inputs)) if is_finite(reference.run(feed))]
    if not feeds:
        return reference  # every artifact is judged by the same numbers, and will be told to have none
    quantized = is_quantized(graph)
    candidate = OnnxSession(serialized(graph), optimisation="disable")
    words = difference(reference, candidate, feeds, quantized)
    if not words:
        candidate.close()
        return reference
    few = feeds[:1]
    if agrees_by_definition(graph, reference, few, quantized):
        progress.warn(
            f"{source.model}: ONNX Runtime computes it otherwise than ONNX defines it ({words}), so that int8 may be "
            "calibrated on wrong values"
        )
        return reference
    if reference.runtime.startswith("onnxruntime") and agrees_by_definition(imported, candidate, few, quantized):
        progress.warn(
            f"{source.model}: ONNX Runtime computes it otherwise than ONNX defines it ({words}); artifacts are "
            "compared with the definition"
        )
        return candidate
    raise ImportFault(
        f"{source.model}: its graph does not compute what the model computes ({words}); "
        f"{locate(imported, graph, reference, feeds)}. Nothing is exported; please report it."
    )


def check_calibrated(source: ModelSource, graph: "ir.Model", reference: Session, feeds: Sequence[Feed]) -> None:
    """Compares the float graph that is calibrated, its channels equalised and its operators split, with the model.

    Raises:
        ImportFault: they differ.
    """
    from ..exporters.frontends.onnx_file import serialized
    from ..runtime.sessions.onnx import OnnxSession

    feeds = [feed for feed in feeds if is_finite(reference.run(feed))]
    candidate = OnnxSession(serialized(graph), optimisation="disable")
    words = difference(reference, candidate, feeds, quantized=False, precision="rewritten") if feeds else ""
    candidate.close()
    if words:
        raise ImportFault(
            f"{source.model}: the float graph that int8 starts from does not compute what the model computes "
            f"({words}). Nothing is exported; please report it."
        )


def difference(
    reference: Session, candidate: Session, feeds: Sequence[Feed], quantized: bool, precision: str = "graph"
) -> str:
    """Why two ways to compute one graph are not the same; "" where they are."""
    agreement = compare(reference, candidate, feeds)
    if quantized and not agreement.problem:
        low = agreement.snr_db < ROUNDING_DB
        return f"SNR in dB {agreement.snr_db:.3g}, must be at least {ROUNDING_DB:g}" if low else ""
    words = verdict(agreement, precision, reference, feeds)
    return words.removeprefix("fail: ") if words.startswith("fail") else ""


def agrees_by_definition(graph: "ir.Model", other: Session, feeds: Sequence[Feed], quantized: bool) -> bool:
    """Whether a graph, run as ONNX defines its operators, gives what a session gives."""

    from ..runtime.sessions.onnx_definition import OnnxDefinition

    try:
        definition = OnnxDefinition(to_runnable_proto(graph), other.inputs, other.outputs)
        return not difference(definition, other, feeds, quantized)
    except ArtifactError:
        return False


def is_finite(outputs: Mapping[str, np.ndarray]) -> bool:
    """Whether a result can be compared at all."""
    return all(np.isfinite(array).all() for array in outputs.values())


def noise(inputs: Sequence[TensorSpec]) -> Feed:
    """An input in which nothing is like its neighbour: borders, ties and negative numbers show."""
    rng = np.random.default_rng(NOISE_SEED)
    return {spec.name: random_array(spec, rng).astype(np.float32) for spec in inputs}


def locate(imported: "ir.Model", graph: "ir.Model", reference: Session, feeds: Sequence[Feed]) -> str:
    """Where the graph goes wrong first, in words."""
    from ..exporters.canonical_faults import first_fault
    from ..exporters.frontends.translation import first_difference
    from ..graph.edit import where

    for feed in feeds:
        node = first_difference(imported, feed, differ)
        if node is not None:
            return f"torch.onnx translates {where(node)} to something else"
        fault = first_fault(imported, feed, differ)
        if fault is not None:
            return f"{where(fault.node)} is rewritten to something else (by {fault.step})"
    return "no single operator gives another value"


def differ(wanted: np.ndarray, got: np.ndarray) -> bool:
    """Whether a value is another one than it was; of another shape it cannot be told."""
    if wanted.shape != got.shape or not wanted.size:
        return False
    if wanted.dtype.kind != "f":
        return not np.array_equal(wanted, got)
    spread = max(float(np.std(wanted)), float(np.abs(wanted).max()) * 1e-3, 1e-30)
    with np.errstate(invalid="ignore"):  # infinities of masks
        error = np.abs(wanted.astype(np.float64) - got)
    return bool((error > DIFFERENT * spread).any())
