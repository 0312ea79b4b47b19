"""Make a virtual environment for each peer, from the list in requirements/ that bears its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.peers import OURS

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EDGEPORT_PEERS", ROOT / "benchmarks" / ".peers"))  # nothing in it is ever committed
REQUIREMENTS = Path(__file__).parent / "requirements"
MADE_FROM = "made_from.txt"  # in an environment: the list that it was made from, and for which copy of edgeport


class NotInstalled(Exception):
    """A peer's environment cannot be made. The message is what pip says."""


def python(peer: str) -> Path:
    """The interpreter of the peer's environment, which is made where it is missing or of another list.

    Lists are complete, so pip resolves nothing: what a list leaves out of a package's demands is left out on purpose.
    Raises NotInstalled.
    """
    if peer == OURS:
        return Path(sys.executable)
    folder, wanted = FOLDER / peer, REQUIREMENTS / f"{peer}.txt"
    interpreter = folder / "bin" / "python"
    made_from, packages = folder / MADE_FROM, wanted.read_text(encoding="utf-8")
    before = made_from.read_text(encoding="utf-8") if made_from.exists() else ""
    if before == f"{packages}{ROOT}\n":
        return interpreter
    if not before.startswith(packages):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [interpreter, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", wanted]
    own = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "1"}  # never into the interpreter that the environment is made from
    done = subprocess.run(install, cwd=ROOT, env=own, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled((errors or done.stderr.splitlines() or ["pip fails without a word"])[0])
    made_from.write_text(f"{packages}{ROOT}\n", encoding="utf-8")
    return interpreter


def pins(peer: str) -> dict[str, str]:
    """{package: version} of the peer's list."""
    lines = (REQUIREMENTS / f"{peer}.txt").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines if "==" in line)
