"""This file runs ONNX's own node tests through every target, and says of each how it ended.

`python tests/conformance.py` runs all of them, each in a process that may die, and writes the table
tests/conformance.json and docs/conformance.md; test_conformance.py runs them again and compares.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import multiprocessing
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

TABLE = Path(__file__).with_name("conformance.json")
PAGE = Path(__file__).parents[1] / "docs" / "conformance.md"
TARGETS = ("tflite", "coreml", "openvino")
SAVED_EVERY = 50  # cases
WARM_UP = "relu"
START_S = 600
LIMIT_S = 60  # of one case on one target

# What a vision model knows when it is exported: these inputs of an operator become constants with the test's values.
PARAMETERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "LayerNormalization", "GroupNormalization"), (1, 2)),
    **dict.fromkeys(("InstanceNormalization", "RMSNormalization", "Clip", "OneHot", "Range"), (1, 2)),
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Squeeze", "Unsqueeze", "Split", "TopK", "CumSum", "Trilu"), (1,)),
    **dict.fromkeys(("PRelu", "AffineGrid", "CenterCropPad", "Dropout", "CumProd"), (1, 2)),
    "If": (0,),
    "Loop": (0, 1),
    "BatchNormalization": (1, 2, 3, 4),
    "Slice": (1, 2, 3, 4),
    "Pad": (1, 2, 3),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "ConstantOfShape": (0,),
    "AffineGrid": (1,),
    "DFT": (1, 2),
    "Col2Im": (1, 2),
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
}
TYPES = {
    "FLOAT",
    "FLOAT16",
    "DOUBLE",
    "INT8",
    "UINT8",
    "INT32",
    "INT64",
    "BOOL",
}  # a case of other types is not counted
NOT_COUNTED = (  # operators of training, text, sequences and trees, and what is random
    {"Adagrad", "Adam", "Momentum", "Gradient", "StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch"}
    | {"TfIdfVectorizer", "ImageDecoder", "LabelEncoder", "TreeEnsemble", "ArrayFeatureExtractor", "Binarizer"}
    | {"Bernoulli", "RandomUniformLike", "SplitToSequence", "SequenceInsert", "SequenceMap", "SequenceEmpty"}
    | {"OptionalHasElement", "OptionalGetElement", "SequenceLength", "ConcatFromSequence"}
)
DEFINITION = re.compile(r"_expanded(_ver\d+)?$")  # the names of cases whose operator is written as ONNX defines it


@functools.cache
def cases() -> dict[str, Any]:
    """name -> onnx's TestCase, in its order, of those that count; without the prefix `test_`."""
    return {name.removeprefix("test_"): case for name, case in collected().items() if counts(case.model)}


@functools.cache
def collected() -> dict[str, Any]:
    """All of onnx's node tests, by their names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        return {case.name: case for case in collect_testcases(None)}


def counts(model: onnx.ModelProto) -> bool:
    """Whether a case is of tensors of the counted types, with static shapes."""
    for value in (*model.graph.input, *model.graph.output):
        if not value.type.HasField("tensor_type"):
            return False
        if onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type) not in TYPES:
            return False
    return not any(node.op_type in NOT_COUNTED or node.domain not in ("", "ai.onnx") for node in model.graph.node)


def prepared(case: Any) -> tuple[ir.Model, dict[str, np.ndarray], list[np.ndarray]]:
    """(the model with its parameters as constants and its shapes fixed, inputs, expected outputs)."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = ([_array(item) for item in part] for part in case.data_sets[0])
    feeds = {value.name: array for value, array in zip(model.graph.input, inputs, strict=False)}
    fixed = parameters(model) | parameters(collected()[DEFINITION.sub("", case.name)].model)
    if len(fixed & feeds.keys()) == len(feeds):  # something has to be left to compute
        fixed = set()
    for name in fixed & feeds.keys():
        model.graph.initializer.append(onnx.numpy_helper.from_array(feeds.pop(name), name))
    kept = [value for value in model.graph.input if value.name in feeds]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for value, array in zip(kept, feeds.values(), strict=True):
        value.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
        for size in array.shape:
            value.type.tensor_type.shape.dim.add().dim_value = size
    return ir.from_proto(model), feeds, outputs


def parameters(model: onnx.ModelProto) -> set[str]:
    """The names of what a vision model knows when it is exported."""
    return {
        name
        for node in model.graph.node
        for index, name in enumerate(node.input)
        if index in PARAMETERS.get(node.op_type, (1,) if node.op_type.startswith("Reduce") else ())
    }


def _array(item: Any) -> np.ndarray:
    return onnx.numpy_helper.to_array(item) if isinstance(item, onnx.TensorProto) else np.asarray(item)


def run(name: str, target: str) -> str:
    """ "passes", or the reason why not: what the exporter or the runtime says, or how far the result is off."""
    from edgeport.exporters.canonicalize import canonicalize
    from edgeport.exporters.errors import ExportError
    from edgeport.runtime.session import ArtifactError

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
            return "wrong: other numbers"
    return "passes"


def outputs_of(model: ir.Model, feeds: Mapping[str, np.ndarray], target: str, folder: Path) -> list[np.ndarray]:
    """What the artifact of a canonical graph gives, in the order of the graph's outputs."""
    from edgeport.runtime.session import open_session

    if target == "tflite":
        from edgeport.exporters.tflite import convert

        path = folder / "case.tflite"
        path.write_bytes(convert(model))
    elif target == "coreml":
        from edgeport.exporters.coreml import convert

        path = folder / "case.mlpackage"
        convert(model, path)
    else:
        from edgeport.exporters.openvino import convert

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


def work(tasks: Any, answers: Any) -> None:
    """A process that runs cases until it is told None, or dies."""
    import torch

    torch.set_num_threads(1)
    for target in TARGETS:  # what is imported once takes none of a case's time
        run(WARM_UP, target)
    answers.put("ready")
    while (task := tasks.get()) is not None:
        try:
            answers.put(run(*task))
        except BaseException as e:  # a bug, which the table shows
            answers.put(f"bug: {type(e).__name__}: {str(e).strip().partition(chr(10))[0]}")


class Worker:
    """A process that is started again when a case kills it or takes too long."""

    def __init__(self) -> None:
        self.process: Any = None

    def ask(self, name: str, target: str) -> str:
        context = multiprocessing.get_context("spawn")
        if self.process is None:
            self.tasks, self.answers = context.Queue(), context.Queue()
            self.process = context.Process(target=work, args=(self.tasks, self.answers), daemon=True)
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


def listed(table: Mapping[str, Any], name: str, target: str) -> str:
    """What the table says of a case on a target."""
    row = table.get(name, {})
    return row if isinstance(row, str) else row.get(target, "passes")


def operator(name: str) -> str:
    """The operator that a case is of; a case of several is ONNX's own definition of one, in others."""
    nodes = cases()[name].model.graph.node
    return nodes[0].op_type if len(nodes) == 1 else "(definitions)"


def is_float(name: str) -> bool:
    """Whether a case's first input is of real numbers, and none is empty."""
    case = cases()[name]
    arrays = [_array(item) for item in case.data_sets[0][0]]
    return bool(arrays) and arrays[0].dtype.kind == "f" and all(array.size for array in arrays)


def page(table: Mapping[str, Any]) -> str:
    """docs/conformance.md"""
    rows: dict[str, list[str]] = collections.defaultdict(list)
    for name in cases():
        rows[operator(name)].append(name)

    def passing(names: list[str], target: str) -> int:
        return sum(listed(table, name, target) == "passes" for name in names)

    def refused(name: str) -> bool:
        return isinstance(table.get(name), str)

    known = {op for op, names in rows.items() if not all(refused(name) for name in names)}
    counted = [name for op in known for name in rows[op] if is_float(name)]
    lines = [
        "# Conformance",
        "",
        "ONNX's own node tests on every target: how many pass. Generated by `python tests/conformance.py`;",
        "tests/conformance.json holds the reason for each case that does not.",
        "",
        "| cases | number | TFLite | Core ML (MIL runner) | OpenVINO |",
        "|---|---|---|---|---|",
    ]
    for title, names in (
        ("static, real numbers, operators that edgeport takes", counted),
        ("all, of any type", list(cases())),
    ):
        counts = [f"{passing(names, t)} ({passing(names, t) / max(len(names), 1):.1%})" for t in TARGETS]
        lines.append(f"| {title} | {len(names)} | {' | '.join(counts)} |")
    lines += ["", "| operator | cases | TFLite | Core ML | OpenVINO | why not |", "|---|---|---|---|---|---|"]
    for op, names in sorted(rows.items()):
        reasons = {listed(table, name, target) for name in names for target in TARGETS} - {"passes"}
        why = min(reasons, key=len, default="").replace("|", "/")
        counts = " | ".join(str(passing(names, target)) for target in TARGETS)
        lines.append(f"| {op} | {len(names)} | {counts} | {why[:160]} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All cases, or those whose name holds one of the patterns while the table's other rows stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", help="of the cases to run; all without")
    parser.add_argument("--from", dest="first", help="the case at which a run that was cut off goes on")
    arguments = parser.parse_args()
    table = json.loads(TABLE.read_text()) if arguments.patterns or arguments.first else {}
    names = list(cases())
    names = names[names.index(arguments.first) if arguments.first else 0 :]
    names = [name for name in names if not arguments.patterns or any(p in name for p in arguments.patterns)]
    worker = Worker()
    for i, name in enumerate(names):
        row = {target: worker.ask(name, target) for target in TARGETS}
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
