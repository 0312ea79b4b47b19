"""Node, and the packages in tests/clients/node_modules that `make test-clients` installs, for tests that need them."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLIENTS = Path(__file__).with_name("clients")
MODULES = CLIENTS / "node_modules"
PINNED = json.loads((CLIENTS / "package.json").read_text())["dependencies"]


def require(*packages: str) -> None:
    """Skips the test where Node or one of the packages is missing."""
    if not shutil.which("node"):
        pytest.skip("no Node (Debian: apt-get install nodejs npm)")
    for name in packages:
        if not (MODULES / name).exists():
            pytest.skip(f"no {name} in tests/clients/node_modules (make test-clients installs it)")


def run(*arguments: str | Path, cwd: Path) -> str:
    """What Node prints. Raises AssertionError with what it complains of."""
    return _run("node", *arguments, cwd=cwd)


def bundle_script(source: Path, to: Path) -> None:
    """A TypeScript file and what it imports as one module."""
    _run(MODULES / ".bin" / "esbuild", source, "--bundle", "--format=esm", f"--outfile={to}", cwd=to.parent)


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_types(bundle: Path) -> None:
    """As `npm install && npm run check` does it in a bundle for the web."""
    if not (bundle / "node_modules").exists():
        (bundle / "node_modules").symlink_to(MODULES)
    run("node_modules/typescript/bin/tsc", cwd=bundle)


def build(bundle: Path) -> None:
    """As `npm install && npm run build` does it: types checked, the page in site/."""
    check_types(bundle)
    run("build.mjs", cwd=bundle)


@contextmanager
def serve(bundle: Path) -> Iterator[str]:
    """The bundle's own server, on a free port: the address of its page."""
    with subprocess.Popen(["node", "serve.mjs", "0"], cwd=bundle, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
