"""Who may import whom, and what stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "models": set(),
    "runtime": set(),
    "exporters": set(),
    "quantize": {"exporters", "runtime"},
    "devices": {"runtime"},
    "cli": {"models", "runtime", "exporters", "quantize", "devices"},
}
HEAVY = {"torch", "openvino", "ai_edge_litert", "coremltools", "onnxruntime", "tensorflow", "timm", "torchvision"}


def imported(path: Path) -> set[str]:
    """Our own packages that a file imports, wherever in the file it does."""
    inside = path.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = ["edgeport", *inside[: len(inside) - node.level]]
                module = [*base, *(node.module or "").split(".")]
                names = [[*module, a.name] if module[-1] == "" else module for a in node.names]
                found |= {[part for part in name if part][1] for name in names if len([p for p in name if p]) > 1}
            elif (node.module or "").startswith("edgeport."):
                found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("edgeport.")}
    return found & set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        assert imported(path) <= MAY_IMPORT[package] | {package}, path


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_importing_a_package_is_light(package):
    code = f"import sys, edgeport.{package}; print(' '.join(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_every_package_is_in_the_wheel():
    """pyproject maps each folder with code to a package; one that is missing would be left out of a wheel."""
    import tomllib

    mapped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    folders = {str(p.parent.relative_to(ROOT)) for name in MAY_IMPORT for p in (ROOT / name).rglob("*.py")}
    assert folders == set(mapped)
