"""Who may import whom, who may name a target, and what stays light."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from edgeport.targets.registry import targets
from import_graph import FLOORS, ROOT, find_circle, floor_of, imports, modules

HEAVY = {
    *(
        "torch",
        "openvino",
        "ai_edge_litert",
        "coremltools",
        "coreai",
        "onnxruntime",
        "tensorflow",
        "timm",
        "torchvision",
    )
}
MOST_LINES_OF_CLI = 2600


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_those_below_it(floor):
    below = FLOORS[FLOORS.index(floor) :]
    wrong = [
        f"{each.source}:{each.line} imports {each.target}"
        for each in imports()
        if floor_of(each.source) == floor and floor_of(each.target) not in below
        if not (floor == "cli" and each.target == "edgeport")  # the public API, which imports nothing by itself
    ]
    assert not wrong


def test_no_circle_of_imports():
    assert find_circle() is None


def test_the_command_line_is_a_reader_of_the_library():
    wrong = [
        f"{each.source}:{each.line} imports {each.target}"
        for each in imports()
        if floor_of(each.source) == "cli" and floor_of(each.target) not in ("cli", "pipeline", "edgeport")
    ]
    assert not wrong
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "cli").glob("*.py"))
    assert lines <= MOST_LINES_OF_CLI


def test_quantize_knows_no_exporter():
    """int8 travels in the graph, so quantize and the converters stay strangers."""
    assert not [
        each for each in imports() if {floor_of(each.source), floor_of(each.target)} == {"quantize", "exporters"}
    ]


def test_benchmarks_do_without_the_command_line():
    paths = (ROOT / "benchmarks").rglob("*.py")
    for path in paths:
        if ".peers" not in path.parts:  # the peers' environments
            assert "edgeport.cli" not in path.read_text(), path


def own_files(name: str) -> set[Path]:
    """The files that may name a target: its own, by their folder or file name."""
    folders = [ROOT / "exporters" / name]
    files = [
        *(ROOT / place / f"{name}.py" for place in ("targets", "targets/kernel_sets")),
        *(ROOT / place / f"{name}.py" for place in ("runtime/sessions", "runtime/inspectors", "devices/backends")),
        *(ROOT / place / f"{name}.py" for place in ("runtime/contents", "runtime/profilers", "targets/clients")),
        *ROOT.glob(f"runtime/sessions/{name}_*.py"),
    ]
    return {*files, *(path for folder in folders for path in folder.rglob("*.py"))}


# Where a target's name, or the ending of its files, stands for something else.
OTHERWISE = {
    ("onnx", "pipeline/sources/loading.py"),  # the ending of a file that holds a model to export
    ("onnx", "pipeline/sources/onnx_file.py"),  # the same
    ("onnx", "pipeline/doctor.py"),  # the distribution of that name, which every target needs
    ("openvino", "runtime/backends.py"),  # the library of that name, which is kept from sending anything
}
# What is of ONNX the hub, not of ONNX the target: models come as ONNX files, and OpenVINO reads ONNX itself.
HUB = {
    *(f"edgeport.exporters.onnx.{module}" for module in ("convert", "open_batch", "proto", "uint8_input")),
    "edgeport.runtime.sessions.onnx",
    "edgeport.runtime.sessions.onnx_definition",
}
GENERATED = {ROOT / "models" / "export_status.py", ROOT / "targets" / "measured.py"}


@pytest.mark.parametrize("name", targets())
def test_only_its_own_files_name_a_target(name):
    """In code, not in prose: no text that is its name or an ending of its files, no import of what is its own."""
    target, own = targets()[name], own_files(name)
    words = {name, target.ending, *target.also_opens}
    wrong = []
    for path in modules().values():
        place = path.relative_to(ROOT).as_posix()
        if path in own | GENERATED or (name, place) in OTHERWISE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words:
                wrong.append(f"{place}:{node.lineno} names {node.value!r}")
    theirs = {module for module, path in modules().items() if path in own} - HUB
    wrong += [
        f"{each.source}:{each.line} imports {each.target}"
        for each in imports()
        if each.target in theirs and modules()[each.source] not in own
    ]
    assert not wrong


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor != "edgeport"])
def test_importing_a_package_is_light(floor):
    code = f"import sys, edgeport.{floor}; print(' '.join(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_importing_edgeport_imports_nothing():
    code = "import sys; before = set(sys.modules); import edgeport; print(' '.join(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith("edgeport")} == {"edgeport"}
    assert not {"numpy", "onnx", "onnx_ir"} & set(loaded)


def test_every_package_is_in_the_wheel():
    """pyproject maps each folder with code to a package; one that is missing would be left out of a wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {str(p.parent.relative_to(ROOT)) for floor in FLOORS for p in (ROOT / floor).rglob("*.py")}
    assert folders == set(settings["package-dir"].values())
    assert set(settings["packages"]) == set(settings["package-dir"])


def test_public_functions_survive_every_import():
    """A subpackage of the name of a public function would take its place when somebody imports it."""
    code = """
import importlib, sys
import edgeport
for name in sys.argv[1:]:
    importlib.import_module(name)
for name in edgeport.__all__:
    assert type(getattr(edgeport, name)).__name__ != "module", name
"""
    skipped = ("__main__", "runner", "ray_cluster", "reindex", "recheckpoint", "work")
    names = [name for name in modules() if name.rpartition(".")[2] not in skipped]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_target_is_added_by_its_file_alone(monkeypatch, tmp_path):
    """A module in targets/ that defines TARGET is all that the registry wants."""
    from edgeport.targets import registry

    (tmp_path / "paper.py").write_text(
        "from edgeport.targets.target import Profile, Target\n"
        "def lower(graph, path, recipe): path.write_text('paper')\n"
        "TARGET = Target(name='paper', position=9, ending='.paper', extra='', needs={}, purposes={},\n"
        "    profiles=(Profile(name='pen', device='paper', load_kernels=lambda: None),), lower=lower,\n"
        "    open=lambda path, threads, options: path.read_text())\n"
    )
    package = importlib.import_module("edgeport.targets")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "edgeport.targets.paper", raising=False)
    registry.targets.cache_clear()
    try:
        assert [*registry.targets()][-1] == "paper"
        (tmp_path / "a.paper").write_text("paper")
        assert registry.open_session(tmp_path / "a.paper") == "paper"
        assert registry.target_of(tmp_path / "a.paper").name == "paper"
    finally:
        sys.modules.pop("edgeport.targets.paper", None)
        registry.targets.cache_clear()
    assert "paper" not in {each.name for each in pkgutil.iter_modules(package.__path__)} - {"paper"}
