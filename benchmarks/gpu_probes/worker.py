"""Runs probes on the accelerator: a name a line on stdin, one line of JSON for each on stdout.

It runs in a process of its own, since the accelerator may crash: the name that got no answer is the one that did it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from benchmarks.gpu_probes.probes import PROBES, measure


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what native code prints is no answer
    for line in sys.stdin:
        name = line.rstrip("\n")
        print(json.dumps(dataclasses.asdict(measure(PROBES[name]))), file=answers, flush=True)


if __name__ == "__main__":
    main()
