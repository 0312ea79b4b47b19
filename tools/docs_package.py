"""Lay out the package `edgeport` as a tree of links below build/docs, where mkdocstrings reads the sources.

The folders of the checkout are the subpackages (package-dir in pyproject.toml), so nothing named `edgeport/cli` exists
on the disk. MkDocs calls `on_startup` before every build.
"""

import shutil
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def link_package(folder: Path) -> Path:
    """Replace `folder`/edgeport by the package, its subpackages as links; return that folder."""
    package = folder / "edgeport"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for file in (ROOT / "edgeport").iterdir():
        if file.suffix in (".py", ".pyi", ".typed"):
            shutil.copy(file, package)  # a link would be resolved, and the subpackages not be found beside it
    mapping = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"]
    for name, source in mapping.items():
        if name.count(".") == 1:
            (package / name.partition(".")[2]).symlink_to(ROOT / source)
    return package


def on_startup(**_: Any) -> None:
    """Lay the package out where mkdocs.yml's `paths` says."""
    link_package(ROOT / "build" / "docs")
