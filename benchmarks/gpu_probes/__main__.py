"""Write targets/gpu_measured.py and its page: `python -m benchmarks.gpu_probes`.

With a part of a name behind it, only what those probes come to is printed.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_probes.probes import PROBES, measure_all, runtime

HEAD = '''"""What LiteRT's GPU accelerator makes of every probe. Generated: python -m benchmarks.gpu_probes"""

from .gpu_result import Accelerated

RUNTIME = "{}"
# probe -> what came of it
MEASURED: dict[str, Accelerated] = {{
'''


def main(part: str = "") -> None:
    lines = [HEAD.format(runtime())]
    for name, found in measure_all([name for name in PROBES if part in name]):
        facts = (json.dumps(value) if isinstance(value, str) else repr(value) for value in dataclasses.astuple(found))
        lines.append(f"    {json.dumps(name)}: Accelerated({', '.join(facts)}),\n")
        print(lines[-1].strip(), flush=True)
    if not part:
        place = Path(__file__).parents[2] / "targets" / "gpu_measured.py"
        place.write_text("".join([*lines, "}\n"]))
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(place)], check=True)
        from benchmarks.gpu_probes import page  # reads what was just written

        page.write()


if __name__ == "__main__":
    main(*sys.argv[1:2])
