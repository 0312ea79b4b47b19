"""Builds the C++ wrapper of a bundle against the shared library of a runtime's Python package."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")


def find_library(bundle: Path) -> tuple[Path, Path]:
    """(the shared library, the folder of its headers) of what runs the bundle's model. Skips the test where there is
    none."""
    package = "openvino" if (bundle / "cpp" / "model_openvino.cpp").exists() else "ai_edge_litert"
    root = Path(str(importlib.util.find_spec(package).submodule_search_locations[0]))
    found = [*(root / "libs").glob("libopenvino.so*")] if package == "openvino" else [root / "libLiteRt.so"]
    if not found or not found[0].exists():
        pytest.skip(f"{package} has no shared library")
    return found[0], root / "include"


def build(bundle: Path, program: Path, objects: dict[str, Path] | None = None) -> None:
    """The bundle's golden test, without a warning; `objects` keeps what is compiled of the files that no bundle has
    otherwise. Skips the test where there is no compiler."""
    if not shutil.which("g++"):
        pytest.skip("no g++")
    library, headers = find_library(bundle)
    made = []
    for source in sorted((bundle / "cpp").glob("*.cpp")):
        to = (objects or {}).get(source.name) or program.with_name(f"{program.name}_{source.stem}.o")
        if not to.exists():
            command = ["g++", *STRICT, "-O1", f"-isystem{headers}", "-c", source, "-o", to]
            subprocess.run(command, check=True)
        made.append(to)
    subprocess.run(["g++", *made, "-o", program, library, f"-Wl,-rpath,{library.parent}"], check=True)
