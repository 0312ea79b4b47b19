"""One conversion, in the environment of its peer; one line of JSON says what it took.

    python -m benchmarks.peers.conversion PEER MODEL FORMAT PRECISION MATERIAL FOLDER

The peer's file has `load(material)`, which gives what a user would have in hand, and `convert(loaded, request)`, which
writes the artifact and returns its path. Imports and `load` are not timed.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path

from .material import Material, Request


def main() -> None:
    peer, model, format_, precision, material_folder, folder = sys.argv[1:]
    material = Material(model, Path(material_folder))
    module = importlib.import_module(f".{peer}", __package__)
    loaded = module.load(material)
    before_mb, start = peak_mb(), time.perf_counter()
    artifact = module.convert(loaded, Request(material, format_, precision, Path(folder)))
    seconds = time.perf_counter() - start
    facts = {"artifact": str(artifact), "seconds": seconds, "before_mb": before_mb, "peak_mb": peak_mb()}
    print(json.dumps(facts), flush=True)


def peak_mb() -> float:
    """The largest resident memory this process ever had, MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
