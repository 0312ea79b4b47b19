"""Runs ONNX's own node tests through every target, and says of each how it ended.

`python tests/conformance.py` runs all of them, each in a process that may die, and writes the table
tests/conformance.json and docs/generated/conformance.md; test_conformance.py runs them again and compares.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from conformance_page import TARGETS, listed, page
from node_tests import cases, prepared

TABLE = Path(__file__).with_name("conformance.json")
PAGE = Path(__file__).parents[1] / "docs" / "generated" / "conformance.md"
SAVED_EVERY = 50  # cases
WARM_UP = "relu"
START_S = 600
LIMIT_S = 60  # of one case on one target
WRONG = {  # how names of cases begin -> what OpenVINO's CPU plugin makes of them itself
    "dynamicquantizelinear": "OpenVINO rounds a quotient that lies between two steps to the other one",
    "mod_float_edge_cases": "OpenVINO's remainder of a number and an infinite divisor is NaN",
}


def run(name: str, target: str) -> str:
    """ "passes", or the reason why not: what the exporter or the runtime says, or how far the result is off."""
    from edgeport.artifacts.errors import ArtifactError, ExportError
    from edgeport.exporters.canonicalize import canonicalize

    case = cases()[name]
    model, feeds, expected = prepared(case)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = canonicalize(model)
            results = outputs_of(model, feeds, target, Path(folder))
        except ExportError as e:
            return f"refused: {e}"
        except ArtifactError as e:
            return f"does not run: {str(e).replace(folder, '').replace(chr(10), ' ')}"
    for got, want in zip(results, expected, strict=True):
        if tuple(got.shape) != want.shape and not (want.shape == () and got.size == 1):
            return f"wrong: shape {tuple(got.shape)} instead of {want.shape}"
        tolerance = {"rtol": max(case.rtol, 1e-3), "atol": max(case.atol, 1e-5)}
        if not np.allclose(got.astype(np.float64), want.astype(np.float64), equal_nan=True, **tolerance):
            known = (why for start, why in WRONG.items() if name.startswith(start) and target == "openvino")
            return f"wrong: {next(known, 'other numbers')}"
    return "passes"


def outputs_of(model: ir.Model, feeds: Mapping[str, np.ndarray], target: str, folder: Path) -> list[np.ndarray]:
    """What the artifact of a canonical graph gives, in the order of the graph's outputs."""
    from edgeport.targets.registry import open_session

    if target == "tflite":
        from tflite_convert import convert

        path = folder / "case.tflite"
        path.write_bytes(convert(model))
    elif target == "coreml":
        from edgeport.exporters.coreml import convert

        path = folder / "case.mlpackage"
        convert(model, path)
    elif target == "coreai":
        from edgeport.exporters.coreai import convert

        path = folder / "case.aimodel"
        convert(model, path)
    else:
        from edgeport.exporters.openvino.convert import convert

        path = convert(model, folder)
    session = open_session(path)
    if target == "tflite":
        results = session.run(dict(feeds))
        return [results[value.name] for value in model.graph.outputs]
    # the others may change names, but no order, and have no inputs that nothing reads
    names = [value.name for value in model.graph.inputs if value.uses() or value.is_graph_output()]
    arrays = {spec.name: feeds[name] for spec, name in zip(session.inputs, names, strict=False)}
    arrays = {spec.name: feeds.get(spec.name, arrays.get(spec.name)) for spec in session.inputs}
    results = session.run({spec.name: np.reshape(arrays[spec.name], spec.shape) for spec in session.inputs})
    return [results[spec.name] for spec in session.outputs]


def work(tasks: Any, answers: Any, targets: tuple[str, ...]) -> None:
    """A process that runs cases until it is told None, or dies."""
    import torch

    torch.set_num_threads(1)
    for target in targets:  # what is imported once takes none of a case's time
        run(WARM_UP, target)
    answers.put("ready")
    while (task := tasks.get()) is not None:
        try:
            answers.put(run(*task))
        except BaseException as e:  # a bug, which the table shows
            answers.put(f"bug: {type(e).__name__}: {str(e).strip().partition(chr(10))[0]}")


class Worker:
    """A process that is started again when a case kills it or takes too long."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.process: Any = None
        self.targets = targets

    def ask(self, name: str, target: str) -> str:
        context = multiprocessing.get_context("spawn")
        if self.process is None:
            self.tasks, self.answers = context.Queue(), context.Queue()
            self.process = context.Process(target=work, args=(self.tasks, self.answers, self.targets), daemon=True)
            self.process.start()
            self.answers.get(timeout=START_S)
        self.tasks.put((name, target))
        for _ in range(LIMIT_S * 4):
            try:
                return self.answers.get(timeout=0.25)
            except Exception:  # queue.Empty
                if not self.process.is_alive():
                    self.process = None
                    return "crash"
        self.process.kill()
        self.process = None
        return "hang"

    def close(self) -> None:
        if self.process is not None:
            self.tasks.put(None)
            self.process.join()


def table_of(results: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The cases that fail: their reason, one for all targets where it is the same, else one per target."""
    table: dict[str, Any] = {}
    for name, row in results.items():
        short = {target: row[target].partition("; known ops")[0] for target in TARGETS}
        if set(short.values()) == {"passes"}:
            continue
        same = len(set(short.values())) == 1
        table[name] = short[TARGETS[0]] if same else {t: reason for t, reason in short.items() if reason != "passes"}
    return table


def main() -> None:
    """All cases, or those whose name holds one of the patterns while the table's other rows stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", help="of the cases to run; all without")
    parser.add_argument("--from", dest="first", help="the case at which a run that was cut off goes on")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS, help="only these; others stay")
    arguments = parser.parse_args()
    targets = tuple(arguments.targets)
    partial = arguments.patterns or arguments.first or targets != TARGETS
    table = json.loads(TABLE.read_text()) if partial else {}
    names = list(cases())
    names = names[names.index(arguments.first) if arguments.first else 0 :]
    names = [name for name in names if not arguments.patterns or any(p in name for p in arguments.patterns)]
    worker = Worker(targets)
    for i, name in enumerate(names):
        row = {target: listed(table, name, target) for target in TARGETS}
        row |= {target: worker.ask(name, target) for target in targets}
        table.pop(name, None)
        table |= table_of({name: row})
        if name in table:
            print(name, table[name], flush=True)
        if i % SAVED_EVERY == 0:
            save(table)
    worker.close()
    save(table)
    PAGE.write_text(page(table))


def save(table: Mapping[str, Any]) -> None:
    TABLE.write_text(json.dumps({name: table[name] for name in cases() if name in table}, indent=0) + "\n")


if __name__ == "__main__":
    main()
