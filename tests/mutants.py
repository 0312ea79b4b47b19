"""Plants faults in the lowerings, one at a time, and counts how many the program reports by itself.

`python tests/mutants.py [--count N] [--seed S] [--target tflite]` prints each and the share. A fault is a changed
operator, number or comparison in the code of a lowering; models that run through that code are exported, in float and
in int8. It is reported where every model that the fault makes wrong ends in an error or a verdict "fail". Where a model
computes what it did, nothing was planted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import os
import sys
import tempfile
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import edgeport
import numpy as np
import onnx_ir as ir
from cases import CASES
from graphs import graph

ROOT = Path(__file__).parents[1]
COMMON = ("conv", "elementwise", "index", "linear", "logic", "movement", "pool", "reduce", "resize")
FAMILIES = {
    "tflite": (*COMMON, "fast_conv", "windows"),
    "coreml": COMMON,
}
PRECISIONS = ("fp32", "int8")
MODELS = 4  # that run through a fault, at most
SWAPS: dict[type[ast.operator] | type[ast.cmpop], type[ast.operator] | type[ast.cmpop]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.Add},
    **{ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
}


@dataclass(frozen=True)
class Fault:
    """One change of one function."""

    module: str
    function: str
    line: int
    before: str
    after: str
    code: types.CodeType

    def __str__(self) -> str:
        return f"{self.module.removeprefix('edgeport.')}:{self.line} {self.function}: {self.before} -> {self.after}"


def faults_of(module: types.ModuleType) -> Iterator[Fault]:
    """Every fault that can be planted in the functions of a module."""
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for index, node in enumerate(ast.walk(function)):
            for changed in changes(node):
                mutant = copy.deepcopy(tree)
                twin = next(f for f in mutant.body if isinstance(f, ast.FunctionDef) and f.name == function.name)
                place = list(ast.walk(twin))[index]
                replace(mutant, place, changed)
                code = compile(ast.fix_missing_locations(mutant), module.__file__, "exec")
                own = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == function.name)
                line = getattr(node, "lineno", function.lineno)
                yield Fault(module.__name__, function.name, line, ast.unparse(node), ast.unparse(changed), own)


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may be changed to."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        yield ast.Compare(node.left, [SWAPS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)


def replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(each is old for each in value):
                setattr(parent, name, [new if each is old else each for each in value])


@contextlib.contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Within it the function is the faulty one."""
    function = getattr(importlib.import_module(fault.module), fault.function)
    whole, function.__code__ = function.__code__, fault.code
    try:
        yield
    finally:
        function.__code__ = whole


def model_of(name: str) -> ir.Model:
    text, _, constants = CASES[name]
    return graph(text, constants)


def export(name: str, target: str, precision: str, folder: Path) -> tuple[str, list[np.ndarray]]:
    """(the verdict, or the error; what the artifact gives for an input that no check has seen)"""
    try:
        result = edgeport.export(
            ir.to_proto(model_of(name)),
            *(target,),
            precision=precision,
            benchmark=False,
            name=name,
            output_dir=folder,
            num_calibration_samples=4,
            num_validation_samples=4,
        )
        session = edgeport.open_session(result.path)
        rng = np.random.default_rng(99)
        feed = {spec.name: rng.standard_normal(spec.shape).astype(np.float32) for spec in session.inputs}
        return result.verdict, [session.run(feed)[spec.name] for spec in session.outputs]
    except Exception as e:  # a lowering with a fault raises what it likes
        return f"error: {type(e).__name__}: {e}", []


def same(before: list[np.ndarray], after: list[np.ndarray], precision: str) -> bool:
    """Whether two artifacts compute the same: to rounding, or to a few steps of int8."""
    few = 1e-4 if precision == "fp32" else 0.03
    return len(before) == len(after) and all(
        a.shape == b.shape and np.abs(a - b).max(initial=0) <= few * max(np.abs(a).max(initial=0), 1e-6)
        for a, b in zip(before, after, strict=True)
    )


def functions_of(name: str, target: str, folder: Path) -> set[tuple[str, str]]:
    """(file, function) of the lowerings that a case runs through."""
    run = set()

    def note(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and f"/exporters/{target}/" in frame.f_code.co_filename:
            run.add((frame.f_code.co_filename, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        export(name, target, "fp32", folder)
    finally:
        sys.setprofile(None)
    return run


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: "reported", "silent" (the case and verdict say where), or "harmless"."""

    fault: Fault
    kind: str
    where: str = ""


def try_fault(fault: Fault, cases: list[str], target: str, folder: Path, known: dict) -> Outcome:
    """Exports the cases with the fault; the first model that is wrong decides."""
    reported = ""
    for name in cases:
        for precision in PRECISIONS:
            if (name, precision) not in known:
                known[name, precision] = export(name, target, precision, folder)
            verdict, before = known[name, precision]
            if verdict.startswith(("error", "fail")):
                continue
            with planted(fault):
                words, after = export(name, target, precision, folder)
            if words.startswith(("error", "fail")):
                reported = f"{name} {precision}: {words[:90]}"
            elif not same(before, after, precision):
                return Outcome(fault, "silent", f"{name} {precision}: {words[:90]}")
    return Outcome(fault, "reported", reported) if reported else Outcome(fault, "harmless")


def run(target: str, count: int, seed: int, families: Sequence[str] = ()) -> Iterator[Outcome]:
    """`count` faults of a target that do harm, drawn at random; of some families and their cases alone, where given."""
    rng = np.random.default_rng(seed)
    files = families or FAMILIES[target]
    modules = [importlib.import_module(f"edgeport.exporters.{target}.{family}") for family in files]
    faults = [fault for module in modules for fault in faults_of(module)]
    known: dict = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cases = [name for name in CASES if not families or any(family in name for family in families)]
        through = {name: functions_of(name, target, folder) for name in cases}
        for index in rng.permutation(len(faults)):
            fault = faults[index]
            file = importlib.import_module(fault.module).__file__
            fitting = [name for name in through if (file, fault.function) in through[name]]
            fitting = [str(name) for name in rng.permutation(fitting)[:MODELS]]
            outcome = try_fault(fault, fitting, target, folder, known)
            if outcome.kind == "harmless":
                continue
            yield outcome
            count -= 1
            if not count:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=FAMILIES, default="tflite")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    outcomes = []
    for outcome in run(options.target, options.count, options.seed):
        outcomes.append(outcome)
        print(f"{outcome.kind:9} {outcome.fault} | {outcome.where}", flush=True)
    reported = sum(outcome.kind == "reported" for outcome in outcomes)
    print(f"{reported} of {len(outcomes)} faults reported ({options.target}, seed {options.seed})")


if __name__ == "__main__":
    main()
