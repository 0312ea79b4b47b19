"""Count the instructions of an inference, and of each operator of it, with valgrind's callgrind: no clock is asked."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeport.runtime.contents.tflite import read_contents

RUN = "*LiteRtRunCompiledModel*"  # what is counted: an inference by LiteRT's C interface, and nothing around it
RUNS = 2
AT_ONCE = 400  # files in one process: valgrind has 500 threads
ROOT = Path(__file__).parents[2]


class NotCounted(RuntimeError):
    """valgrind is not there, or has counted nothing."""


def counter() -> str:
    """Its version. Raises NotCounted where it is not installed."""
    try:
        return subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as e:
        raise NotCounted("valgrind is not installed (Debian: apt-get install valgrind)") from e


def count(paths: Sequence[Path]) -> list[int]:
    """The instructions of one warm inference of each .tflite, on one thread. Raises NotCounted."""
    found: list[int] = []
    for first in range(0, len(paths), AT_ONCE):
        found += _count(paths[first : first + AT_ONCE])
    return found


def list_operators(path: Path) -> list[tuple[str, str]]:
    """(value, "CONV_2D int8 1x32x32x16") of each operator in the file's order: what decides about its cost."""
    return [
        (each.outputs[0].name, f"{each.kind} {each.outputs[0].dtype} {'x'.join(map(str, each.outputs[0].shape or ()))}")
        for each in read_contents(path).operators
    ]


def count_operators(path: Path, places: Sequence[int]) -> list[int]:
    """The instructions of the operators at these places of a .tflite.

    An operator costs what the file up to it costs more than the file up to the one before. What XNNPACK joins with a
    later operator is cheaper than alone, so a single figure may be negative; all of them add up to the whole.
    """
    ends = sorted({end for place in places for end in (place, place + 1) if end})
    content = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        prefixes = [Path(folder, f"{end}.tflite") for end in ends]
        for end, prefix in zip(ends, prefixes, strict=True):
            prefix.write_bytes(cut(content, end))
        totals = dict(zip(ends, count(prefixes), strict=True))
    return [totals[place + 1] - totals.get(place, 0) for place in places]


def cut(content: bytes, operators: int) -> bytes:
    """A .tflite with the first so many operators, which gives all that they compute and none of them reads."""
    import flatbuffers
    from ai_edge_litert.schema_py_generated import ModelT

    model: Any = ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    graph.operators = graph.operators[:operators]
    read = {index for operator in graph.operators for index in operator.inputs}
    graph.outputs = [index for operator in graph.operators for index in operator.outputs if index not in read]
    model.signatureDefs, model.metadata = None, None
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _count(paths: Sequence[Path]) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        out = Path(folder, "callgrind")
        command = ["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=yes", f"--toggle-collect={RUN}"]
        command += [f"--callgrind-out-file={out}", sys.executable, "-m", "benchmarks.instructions.worker", f"{RUNS}"]
        # the same hashes and one thread everywhere: what is counted is the artifact alone
        same = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *map(str, map(Path.absolute, paths))],
            cwd=ROOT,
            env=os.environ | same,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotCounted(f"valgrind ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
        threads = [Path(f"{out}-{i + 2:02}") for i in range(len(paths))]  # the first is the main thread
        try:
            return [round(_total(each.read_text()) / RUNS) for each in threads]
        except FileNotFoundError as e:
            raise NotCounted(f"valgrind has counted only {len(list(Path(folder).iterdir())) - 2} files") from e


def _total(text: str) -> int:
    found = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
    if found is None:
        raise NotCounted("callgrind's output has no total")
    return int(found[1])
