"""Why models of the matrix are noisy in int8: what no quantiser could change, and what calibration could.

    python -m benchmarks.matrix_reasons             the models below 25 dB whose reason is not known yet
    python -m benchmarks.matrix_reasons NAME... --again

Figures, all against the float model on the photographs that validate:

- noise: of the float model, with white noise on every result that int8 rounds, 40 dB below that result: 8 bits over
  4.5 standard deviations to both sides round like that. What passes noise on louder than it came in, as many networks
  do whose weights nobody trained, is noisy in int8, too.
- float16: of the float package in fp16, for Core ML, which computes in float16 what is not int8; none where a value is
  beyond 65504. Only where `noise` does not say it all.
- covered: of the quantised graph with the ranges (min-max) of the photographs that validate, instead of those that
  calibrate: how much is lost because the ones do not reach as far as the others. Only where the others do not say
  it all.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path

import edgeport
import numpy as np
import onnx
from edgeport import ModelSource
from edgeport.exporters.onnx.convert import to_proto
from edgeport.exporters.onnx.proto import makers_of
from edgeport.graph.fusion import find_units
from edgeport.pipeline.data.dataset import open_folder
from edgeport.pipeline.int8 import Int8Builder, Tuned
from edgeport.pipeline.prepare import open_reference, prepare, to_graph
from edgeport.pipeline.progress import Progress
from edgeport.runtime.compare import compare
from edgeport.runtime.sessions.onnx import OnnxSession
from edgeport.targets.registry import get_target
from onnx import helper, numpy_helper

from benchmarks import journal, matrix_page
from benchmarks.cells import Cell, read
from benchmarks.matrix_job import load_model, model_job, simulate
from benchmarks.matrix_page import REASONS, RESULTS, is_like, read_reasons, reason
from benchmarks.photographs import write_photographs

NOISE_DB = 40.0
PARTS = ("clean", "square", "mean", "level", "unit", "noise")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matrix_reasons",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these (default: all that are low)")
    parser.add_argument("--again", action="store_true", help="also models that are there")
    args = parser.parse_args(argv)
    low = matrix_page.low_by_model(read(RESULTS))
    known = {} if args.again else read_reasons()
    names = [name for name in args.models or low if name in low and not reason(known.get(name), low[name])[0]]
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder))
        for count, name in enumerate(names, start=1):
            facts = {"model": name, **reason_of(name, low[name], Path(folder))}
            journal.append([facts], REASONS)
            print(f"[{count}/{len(names)}] {name}: {json.dumps(facts)}", flush=True)
    matrix_page.write()
    return 0


def reason_of(name: str, cells: dict[str, Cell], photographs: Path) -> Cell:
    """The figures for a model, of whose cells these are low; on the noisiest target, as many as it takes."""
    target = min(cells, key=lambda target: cells[target]["snr_db"])
    snr_db, seed = cells[target]["snr_db"], cells[target].get("seed", 0)
    source = load_model(name, seed)
    facts: Cell = {"target": target, "noise_db": round(noise_db(source, target, photographs), 2)}
    if is_like(snr_db, facts["noise_db"]):
        return facts
    if target == "coreml":
        facts["float16_db"] = float16_db(source, photographs)
        if is_like(snr_db, facts["float16_db"]):
            return facts
    facts["covered_db"] = round(covered_db(source, target, photographs), 2)
    return facts


def noise_db(source: ModelSource, target: str, photographs: Path) -> float:
    """The SNR of the float graph with noise on whatever the target's int8 kernels would round."""
    kernels = get_target(target).kernels()
    graph = kernels.apply_forms(to_graph(source, Progress(), {})[1])
    units = find_units(graph.graph, kernels)
    # a root is taken of squares, which noise would make negative
    squares = {unit.output for unit in units if unit.kind == "Mul" and len(set(unit.operands)) == 1}
    rooted = {operand for unit in units if unit.kind in ("Sqrt", "Pow") for operand in unit.operands}
    rounded = {unit.output for unit in units if unit.precision == "int8"} - squares - rooted
    proto = to_proto(graph)
    disturb(proto.graph, rounded)
    validation = open_folder(str(photographs / "validation"), source.input_spec)
    return compare(open_reference(source), OnnxSession(proto.SerializeToString()), validation).snr_db


def disturb(graph: onnx.GraphProto, values: Collection[str]) -> None:
    """Put white noise on these values, NOISE_DB below each."""
    graph.initializer.append(numpy_helper.from_array(np.float32(10 ** (-NOISE_DB / 20)), "noise_share"))
    makers = makers_of(graph)
    behind: dict[str, list[onnx.NodeProto]] = {}  # by the value's name without noise
    for seed, name in enumerate(sorted(values)):
        clean, square, mean, level, unit, noise = (f"{name}_{part}" for part in PARTS)
        outputs = makers[name].output
        outputs[list(outputs).index(name)] = clean
        behind[clean] = [
            helper.make_node("Mul", [clean, clean], [square]),
            helper.make_node("ReduceMean", [square], [mean], keepdims=0),
            helper.make_node("Sqrt", [mean], [f"{level}_whole"]),
            helper.make_node("Mul", [f"{level}_whole", "noise_share"], [level]),
            helper.make_node("RandomNormalLike", [clean], [unit], seed=float(seed)),
            helper.make_node("Mul", [unit, level], [noise]),
            helper.make_node("Add", [clean, noise], [name]),
        ]
    nodes = [new for node in graph.node for new in (node, *chain(*(behind.get(name, ()) for name in node.output)))]
    del graph.node[:]
    graph.node.extend(nodes)


def float16_db(source: ModelSource, photographs: Path) -> float | None:
    """The SNR of the float package in fp16; None where it has none."""
    validation = photographs / "validation"
    with tempfile.TemporaryDirectory() as folder:
        options = {"validation": validation, "benchmark": False, "output_dir": folder}
        agreement = edgeport.export(source, "coreml", precision="fp16", **options).agreement
    return round(agreement.snr_db, 2) if agreement and math.isfinite(agreement.snr_db) else None


def covered_db(source: ModelSource, target: str, photographs: Path) -> float:
    """The SNR of the quantised graph, calibrated on what it is judged by."""
    job = model_job(source.model, photographs, "int8", calibration=photographs / "validation", ranges="minmax")
    prepared = prepare(job, source, Progress())
    int8 = Int8Builder(get_target(target), prepared, Progress(), {})
    return simulate(int8.apply(Tuned(int8.model), int8.plan()), prepared)


if __name__ == "__main__":
    sys.exit(main())
