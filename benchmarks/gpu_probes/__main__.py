"""Write targets/gpu_measured.py and its page: `python -m benchmarks.gpu_probes`, or `--new`, what has no row yet.

With a part of a name behind it, only what those probes come to is printed.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from edgeport.targets.gpu_measured import MEASURED
from edgeport.targets.gpu_result import Accelerated

from benchmarks.gpu_probes import page
from benchmarks.gpu_probes.probes import PROBES, measure_all, runtime

HEAD = '''"""What LiteRT's GPU accelerator makes of every probe. Generated: python -m benchmarks.gpu_probes"""

from .gpu_result import Accelerated

RUNTIME = "{}"
# probe -> what came of it
MEASURED: dict[str, Accelerated] = {{
'''
NEW = "--new"


def main(part: str = "") -> None:
    known = MEASURED if part == NEW else {}
    wanted = [name for name in PROBES if name not in known and (part == NEW or part in name)]
    found = dict(known)
    for name, result in measure_all(wanted):
        found[name] = result
        print(row(name, result), end="", flush=True)
    if part in ("", NEW):
        write({name: found[name] for name in PROBES})


def row(name: str, result: Accelerated) -> str:
    facts = (json.dumps(value) if isinstance(value, str) else repr(value) for value in dataclasses.astuple(result))
    return f"    {json.dumps(name)}: Accelerated({', '.join(facts)}),\n"


def write(found: dict[str, Accelerated]) -> None:
    """The table, and the page of it."""
    place = Path(__file__).parents[2] / "targets" / "gpu_measured.py"
    rows = (row(name, result) for name, result in found.items())
    place.write_text("".join([HEAD.format(runtime()), *rows, "}\n"]))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(place)], check=True)
    page.write(found, runtime())


if __name__ == "__main__":
    main(*sys.argv[1:2])
