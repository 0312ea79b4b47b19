"""Who imports whom in the package, read from the source: every import counts, also inside functions and for types."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# from the highest floor to the lowest: a floor imports only from those below it
FLOORS = (
    *("edgeport", "cli", "pipeline", "bundles", "reporting", "targets", "devices", "quantize", "exporters"),
    *("tasks", "runtime", "graph", "models", "artifacts"),
)


@dataclass(frozen=True)
class Import:
    """One import: which module names which, and where."""

    source: str
    target: str
    line: int


@cache
def modules() -> dict[str, Path]:
    """{dotted name: file} of every module of the package; bundle templates are no modules of it."""
    found = {}
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            if "templates" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts if floor == "edgeport" else ("edgeport", *parts))] = path
    return found


@cache
def imports() -> tuple[Import, ...]:
    """All imports of one module of the package by another."""
    return tuple(each for name, path in modules().items() for each in _of_module(name, path))


def _of_module(name: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        for target in _targets(node, package):
            if target != name:
                yield Import(name, target, getattr(node, "lineno", 0))


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    """The modules of ours that a statement imports: the longest names that are modules."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name in modules())
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        if module.partition(".")[0] != "edgeport":
            return
        for each in node.names:
            whole = f"{module}.{each.name}"
            if whole in modules():
                yield whole
            elif module in modules():
                yield module


def floor_of(module: str) -> str:
    """The floor that a module is on."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "edgeport"


def find_circle() -> list[str] | None:
    """The modules of one circle of imports, in order; None where there is none."""
    edges: dict[str, set[str]] = {name: set() for name in modules()}
    for each in imports():
        edges[each.source].add(each.target)
    state: dict[str, int] = {}
    for start in edges:
        if circle := _search(start, edges, state, []):
            return circle
    return None


def _search(name: str, edges: dict[str, set[str]], state: dict[str, int], path: list[str]) -> list[str] | None:
    if state.get(name) == 2:
        return None
    if state.get(name) == 1:
        return [*path[path.index(name) :], name]
    state[name] = 1
    for target in sorted(edges[name]):
        if circle := _search(target, edges, state, [*path, name]):
            return circle
    state[name] = 2
    return None
