"""What this core reaches in a runtime: chains of large convolutions through the same target, and plain copies."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runtime.cpu import matrix_instructions
from ..runtime.profilers.peaks import Peaks
from ..runtime.session import Portable
from ..targets.target import Recipe, Target

if TYPE_CHECKING:
    import onnx_ir as ir

SIDE = 32  # of what the convolutions read
# (channels, kernel size, layers); each layer reads what the one before has written, so that none is merged. In float a
# 3x3 convolution may be written as a Winograd one, which has fewer multiplications than are counted.
CHAINS = {"int8": ((512, 1, 8), (256, 3, 4)), "fp32": ((512, 1, 8),)}
RUNS = 12
FLOAT, INT8 = "fp32", "int8"
COPIED_BYTES = {"memory": 64 * 2**20, "cache": 256 * 2**10}  # larger than a core's caches; within its second


def probe_peaks(target: Target, threads: int) -> Peaks:
    """The multiply-accumulates in a second that the target's runtime reaches, and the bytes that NumPy copies.

    Args:
        target: whose converter writes the probes, and whose session runs them.
        threads: of the session.

    Returns:
        The best of several runs, by the processor's time where there is one thread.
    """
    reached = {
        precision: max(_gmacs_per_s(target, precision, threads, chain) for chain in CHAINS[precision])
        for precision in (FLOAT, INT8)
    }
    copied = {name: _copy_gbytes_per_s(size) for name, size in COPIED_BYTES.items()}
    return Peaks(
        int8_gmacs_per_s=reached[INT8],
        float_gmacs_per_s=reached[FLOAT],
        memory_gbytes_per_s=copied["memory"],
        cache_gbytes_per_s=copied["cache"],
        instructions=matrix_instructions(),
    )


def write_probe(
    target: Target, precision: str, threads: int, chain: tuple[int, int, int], path: Path
) -> tuple[Portable, list[np.ndarray]]:
    """Writes a chain of convolutions as an artifact.

    Args:
        chain: of CHAINS[precision].

    Returns:
        (an open session of it, its inputs as it takes them).
    """
    channels, kernel, layers = chain
    rng = np.random.default_rng(0)
    graph = _chain(rng, channels, kernel, layers)
    feed = {"x": rng.standard_normal((1, channels, SIDE, SIDE), np.float32)}
    if precision == INT8:
        graph = _quantized(graph, target, feed)
    recipe = Recipe(precision=precision, metadata={}, profile=target.profile(None), options=target.own_options({}))
    target.lower(graph, path, recipe)
    session = target.open(path, threads, {})
    assert isinstance(session, Portable)
    return session, session.inward(feed)


def macs_of(chain: tuple[int, int, int]) -> int:
    """Its multiply-accumulates."""
    channels, kernel, layers = chain
    return layers * (channels * kernel * SIDE) ** 2


def _gmacs_per_s(target: Target, precision: str, threads: int, chain: tuple[int, int, int]) -> float:
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        session, arrays = write_probe(target, precision, threads, chain, Path(folder, f"probe{target.ending}"))
        clock = time.process_time if threads == 1 else time.perf_counter
        taken = []
        for _ in range(RUNS):
            start = clock()
            session.raw(arrays)
            taken.append(clock() - start)
        session.close()
    return macs_of(chain) / min(taken) / 1e9


def _chain(rng: np.random.Generator, channels: int, kernel: int, layers: int) -> "ir.Model":
    """The convolutions in the dialect."""
    import onnx_ir as ir

    from ..exporters.canonicalize import canonicalize
    from ..graph.dialect import OPSET

    shape = ir.Shape((1, channels, SIDE, SIDE))
    value = ir.Value(name="x", shape=shape, type=ir.TensorType(ir.DataType.FLOAT))
    inputs, initializers, nodes = [value], [], []
    for layer in range(layers):
        sizes = (channels, channels, kernel, kernel)
        numbers = (rng.standard_normal(sizes) / np.sqrt(channels * kernel * kernel)).astype(np.float32)
        weight = ir.Value(
            name=f"layer{layer}/weight",
            shape=ir.Shape(numbers.shape),
            type=ir.TensorType(ir.DataType.FLOAT),
            const_value=ir.Tensor(numbers, name=f"layer{layer}/weight"),
        )
        initializers.append(weight)
        out = ir.Value(name=f"layer{layer}", shape=shape, type=ir.TensorType(ir.DataType.FLOAT))
        pads = ir.AttrInt64s("pads", [kernel // 2] * 4)
        nodes.append(ir.Node("", "Conv", [value, weight], [pads], outputs=[out], name=f"layer{layer}"))
        value = out
    graph = ir.Graph(inputs, [value], nodes=nodes, initializers=initializers, opset_imports={"": OPSET}, name="probe")
    return canonicalize(ir.Model(graph, ir_version=10))


def _quantized(graph: "ir.Model", target: Target, feed: dict[str, np.ndarray]) -> "ir.Model":
    from .. import quantize

    kernels = target.kernels()
    graph, statistics = kernels.apply_rewrites(kernels.apply_forms(graph), quantize.collect(graph, [feed]))
    return quantize.apply(graph, quantize.plan(graph, statistics, kernels))


def _copy_gbytes_per_s(size: int) -> float:
    """Bytes read and written in a second by a copy of so many."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    many = max(1, 2**26 // size)
    taken = []
    for _ in range(8):
        start = time.process_time()
        for _ in range(many):
            np.copyto(target, source)
        taken.append((time.process_time() - start) / many)
    return 2 * size / max(min(taken), 1e-9) / 1e9
