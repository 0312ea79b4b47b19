"""One conversion, in the environment of its peer; one line of JSON says what it took.

    python -m benchmarks.peers.conversion PEER MODEL FORMAT PRECISION MATERIAL FOLDER

The peer's file has `load(material)`, which gives what a user would have in hand, and `convert(loaded, request)`, which
writes the artifact and returns its path. CPU seconds are those of all threads and of what the process starts: other
work on the machine changes them little.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.peers.material import Material, Request


def main() -> None:
    peer, model, format_, precision, material_folder, folder = sys.argv[1:]
    material = Material(model, Path(material_folder))
    module = importlib.import_module(f".{peer}", __package__)
    loaded = module.load(material)
    before_mb, before_s, start = resident_mb("VmRSS"), cpu_seconds(), time.perf_counter()
    artifact = module.convert(loaded, Request(material, format_, precision, Path(folder)))
    facts = {
        "artifact": str(artifact),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": cpu_seconds() - before_s,
        "all_cpu_seconds": cpu_seconds(),  # with imports, and loading what is converted
        "before_mb": before_mb,
        "peak_mb": resident_mb("VmHWM"),
    }
    print(json.dumps(facts), flush=True)


def cpu_seconds() -> float:
    """What this process and those that it started and awaited have used so far."""
    return sum(os.times()[:4])


def resident_mb(field: str) -> float:
    """This process's resident memory, MB (10^6 bytes): now (VmRSS) or at its peak (VmHWM); see proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kibibytes) * 1024 / 1e6


if __name__ == "__main__":
    main()
