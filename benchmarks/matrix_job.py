"""One model of the export matrix: its targets in fp32 and int8, one JSON line for each as soon as it is known.

    python -m benchmarks.matrix_job NAME FOLDER int8|fp32 TARGET...
                    FOLDER holds the photographs `calibration` and `validation`; int8 means fp32 and int8

matrix.py starts one such process a model, so that its memory is free afterwards and a crash costs one model alone.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import edgeport
import numpy as np
from edgeport import ExportResult, ModelSource, Session
from edgeport.artifacts.errors import exit_code
from edgeport.artifacts.exit_codes import BUG
from edgeport.artifacts.manifest import finite
from edgeport.artifacts.staging import Staging
from edgeport.graph.edit import array
from edgeport.graph.fusion import Unit
from edgeport.pipeline.data.dataset import open_folder
from edgeport.pipeline.export import build_target, make_job
from edgeport.pipeline.int8 import Int8Builder, Tuned
from edgeport.pipeline.options import Job
from edgeport.pipeline.prepare import Prepared, open_reference, prepare
from edgeport.pipeline.progress import Progress
from edgeport.runtime.compare import compare
from edgeport.runtime.session import Widens
from edgeport.targets.registry import get_target

from benchmarks.cells import Cell
from benchmarks.matrix_page import LOST, TARGETS, low

if TYPE_CHECKING:
    import onnx_ir as ir
    from edgeport.quantize import Plan

SEEDS = range(8)
IN_DOUBLE = 4  # photographs
MEMORY = 20 * 2**30  # bytes that a model may take


def model_job(name: str, photographs: Path, precision: str, **options: object) -> Job:
    """The job of a model, for all targets; `options` as those of `edgeport.export`."""
    arguments = {
        "precision": precision,
        "calibration": photographs / "calibration",
        "validation": photographs / "validation",
        "benchmark": not name.startswith("timm:"),
        "num_runs": 15,
        "warmup_runs": 3,
    }
    return make_job(TARGETS, arguments | options)


def load_model(name: str, seed: int) -> ModelSource:
    return edgeport.load(name, weights="random", seed=seed)


def cells(
    name: str, photographs: Path, folder: Path, wanted: str = "int8", targets: Iterable[str] = TARGETS
) -> Iterator[Cell]:
    """The cells of a model, the first that is low in int8 with its costs. What fails in int8 is tried in fp32 alone."""
    progress = Progress()
    left, blamed = set(targets), False
    precisions = ("int8", "fp32") if wanted == "int8" else ("fp32",)
    try:
        source, seed = draw_model(name, photographs, calibrates=wanted == "int8")
    except Exception as e:  # the same for all
        yield from (failed_cell(target, precision, e) for target in sorted(left) for precision in precisions)
        return
    for precision in precisions:
        try:
            job = model_job(name, photographs, precision)
            with Staging(folder) as staging:
                prepared = prepare(job, source, progress)
                for target in sorted(left):
                    try:
                        result = build_target(prepared.job, target, prepared, staging, progress)
                    except Exception as e:  # the others go on
                        yield failed_cell(target, precision, e)
                    else:
                        for facts in map(cell, filter(None, (result.float_twin, result))):
                            if low(facts) and not blamed:
                                blamed = True
                                facts["costs_db"] = measure_costs(target, prepared)
                            yield facts | ({"seed": seed} if seed else {})
                        left.discard(target)
        except Exception as e:  # before any target: the same for all of them
            yield from (failed_cell(target, precision, e) for target in sorted(left))
        if not left:
            break


def draw_model(name: str, photographs: Path, *, calibrates: bool = True) -> tuple[ModelSource, int]:
    """The model with random weights of the first of SEEDS with which it can be compared, or of that which loses least.

    Weights that no training has seen can be such that PyTorch's own outputs for photographs are no numbers, or float32
    not enough for them: BAT-ResNeXt's attention divides by a sum of sigmoids, which large numbers make 0, and ResNeSt's
    normalises its few gates by chance.
    """
    losses: dict[int, float] = {}
    for seed in SEEDS:
        source = load_model(name, seed)
        folders = ("validation", "calibration") if calibrates else ("validation",)
        feeds = [feed for folder in folders for feed in open_folder(str(photographs / folder), source.input_spec)]
        losses[seed] = measure_loss(open_reference(source), feeds)
        if losses[seed] < LOST:
            return source, seed
    best = min(losses, key=lambda seed: losses[seed])
    return load_model(name, best), best


def measure_loss(session: Session, feeds: list[dict[str, np.ndarray]]) -> float:
    """What PyTorch's float32 loses, of the outputs' standard deviation; infinite where they are no numbers."""
    if not all(np.isfinite(output).all() for feed in feeds for output in session.run(feed).values()):
        return np.inf
    if not isinstance(session, Widens):
        return 0.0
    try:
        loss = compare(session.double(), session, feeds[:IN_DOUBLE])
    except RuntimeError:  # a module that makes float32 tensors of its own
        return 0.0
    return np.inf if loss.problem else loss.max_abs_over_std


def cell(result: ExportResult) -> Cell:
    """What is known of an artifact."""
    agreement, latency = result.agreement, result.latency
    return {
        "target": result.target,
        "precision": result.precision,
        "passed": not result.verdict.startswith("fail"),
        "verdict": result.verdict,
        "snr_db": agreement and agreement.snr_db,
        "max_abs_over_std": agreement and agreement.max_abs_over_std,
        "top1": agreement and agreement.top1,
        "size_bytes": result.size_bytes,
        "median_ms": latency and latency.median_ms,
        "delegate_partitions": result.delegate_partitions,
        "peak_rss_mb": result.peak_rss_mb,
    }


def failed_cell(target: str, precision: str, error: Exception) -> Cell:
    """What is known of an artifact that could not be made."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    reason = f"a bug: {type(error).__name__}: {first}" if exit_code(error) == BUG else first
    return {"target": target, "precision": precision, "passed": False, "verdict": f"error: {reason}"}


def measure_costs(target: str, prepared: Prepared) -> Cell:
    """Where the noise comes from, in dB, measured on the Q/DQ graph without corrected biases.

    all: the SNR; weights, activations: the SNR with these alone rounded; float: {kind of unit: what the SNR gains where
    all units of that kind stay float}, the largest first.
    """
    int8 = Int8Builder(get_target(target), prepared, Progress(), {})

    def snr_db(plan: "Plan") -> float:
        return simulate(int8.apply(Tuned(int8.model), plan), prepared)

    whole = int8.plan()
    kinds: dict[str, list[str]] = {}
    for unit in whole.units:
        if unit.precision == "int8":
            kinds.setdefault(kind_of(unit, int8.model), []).append(unit.output)
    without = tuple(replace(unit, weight=None, bias=None) for unit in whole.units)
    base = snr_db(whole)
    gains = {kind: snr_db(int8.plan(frozenset(outputs))) - base for kind, outputs in kinds.items()}
    return {
        "all": base,
        "weights": snr_db(replace(whole, activations={})),
        "activations": snr_db(replace(whole, units=without)),
        "float": dict(sorted(gains.items(), key=lambda item: -item[1])),
    }


def kind_of(unit: Unit, graph: "ir.Model") -> str:
    """The unit's kind; of a convolution also what its weight (out, in / groups, h, w) says."""
    if unit.kind != "Conv" or unit.weight is None:
        return unit.kind
    _, per_group, *kernel = array(graph.graph.initializers[unit.weight]).shape
    return "depthwise Conv" if per_group == 1 else f"{'x'.join(map(str, kernel))} Conv"


def simulate(graph: "ir.Model", prepared: Prepared) -> float:
    """The SNR of a graph under ONNX Runtime."""
    from edgeport.exporters.onnx.convert import convert

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.onnx"
        path.write_bytes(convert(graph, half_weights=False, metadata={}))
        session = edgeport.open_session(path)
        return compare(prepared.reference, session, prepared.validation.feeds()).snr_db


def main() -> None:
    name, photographs, wanted, *targets = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        for facts in cells(name, Path(photographs), Path(folder), wanted, targets):
            print(json.dumps(finite(facts)), flush=True)


if __name__ == "__main__":
    main()
