"""Damages manifests, .tflite and .onnx files, and lets edgeport read and run them: each ends well, or in one sentence.

python tests/mutations.py [manifests|tflite|onnx] [--first SEED] [--count N]     the same seeds give the same files
python tests/mutations.py --seconds S --first SEED     for so long, each kind in turn
"""

import argparse
import contextlib
import copy
import functools
import io
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
from edgeport.artifacts.check import manifest_path
from edgeport.cli.main import main as command
from fuzz import damaged as damaged_onnx

sys.path.append(str(Path(__file__).parents[1] / "examples"))  # pytest has it there; a script has not
import task_networks as networks

COUNTS = {"manifests": 2000, "tflite": 700, "onnx": 400}  # of a full run
LIMIT_S = 30.0  # for one file on a machine that does other things, too
VALIDATED = 20  # of so many manifests one also goes through `validate`

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, 5e-324),
    *(
        "",
        " ",
        "a" * 10_000,
        "a\0b",
        "../../etc/passwd",
        "/dev/zero",
        "\ud800",
        "\x1b[31m",
        "é\u202e",
        "RANDOM",
        "auto",
    ),
    *([], [[]], [None], [1, 2, 3], ["a"], {}, {"": None}, {"a": {"a": {}}}),
]


MANIFESTS = ("lenet5_fp32.tflite", "lenet5_int8.onnx", "detector_fp32.tflite")  # in turn


@functools.cache
def whole() -> Path:
    """A folder with the artifacts that are damaged, with their manifests.

    lenet5 is a classifier in fp32 and int8; as .onnx it takes any number of images, and says how far int8 depends on
    its calibration. The detector holds its non-maximum suppression.
    """
    folder = Path(tempfile.mkdtemp(prefix="mutations-"))
    quick: dict[str, Any] = {"num_validation_samples": 2, "effort": "fast", "num_runs": 1, "output_dir": folder}
    int8: dict[str, Any] = {"precision": "int8", "weights": "random", "num_calibration_samples": 16, **quick}
    edgeport.export("lenet5", "tflite", **int8)
    edgeport.export("lenet5", "onnx", dynamic="batch", calibration_halves=2, **int8)
    edgeport.export(
        networks.Detector("boxes").eval(),
        "tflite",
        **quick,
        name="detector",
        input_shape=(3, networks.SIDE, networks.SIDE),
        preprocess=networks.PREPROCESS,
        validation=networks.write_crops(folder / "photos", 2),
        task="detect:boxes",
        labels=["cat", "dog", "cup"],
        nms=20,
    )
    gathered = folder / "whole"
    gathered.mkdir()
    for name in {*MANIFESTS, "lenet5_int8.tflite"}:
        (found,) = folder.glob(f"*/{name}")
        for path in (found, manifest_path(found)):
            shutil.copy(path, gathered)
    return gathered


# -- manifests


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of each value in nested JSON."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def damaged_manifest(content: bytes, random: np.random.Generator) -> bytes:
    """A manifest with some of its values, or some of its bytes, changed."""
    if random.random() < 0.3:
        return damaged_bytes(content, random)
    facts = json.loads(content)
    for _ in range(random.integers(1, 4)):
        known = list(places(facts))
        path = known[random.integers(len(known))]
        inner = functools.reduce(lambda value, key: value[key], path[:-1], facts)
        kind = random.integers(5)
        if kind == 0:
            del inner[path[-1]]
        elif kind == 1 and isinstance(inner, dict):
            inner[f"{path[-1]}{random.integers(10)}"] = inner[path[-1]]
        elif kind == 2:
            inner[path[-1]] = copy.deepcopy(
                functools.reduce(lambda v, k: v[k], known[random.integers(len(known))], facts)
            )
        else:
            inner[path[-1]] = copy.deepcopy(ODD[random.integers(len(ODD))])
        if not facts:
            break
    return json.dumps(facts).encode()


def manifest_trouble(seed: int) -> str | None:
    """What is wrong with how a damaged manifest is read, or None."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        artifact = Path(name) / MANIFESTS[seed % len(MANIFESTS)]
        shutil.copy(whole() / artifact.name, artifact)
        beside = manifest_path(artifact)
        beside.write_bytes(damaged_manifest(manifest_path(whole() / artifact.name).read_bytes(), random))
        found = said(["info", str(artifact)]) or said(["report", name, "--output", f"{name}/r.html"], (0, 2, 7))
        if found is None and seed % VALIDATED == 0:
            found = said(["validate", str(artifact), "--num-validation-samples", "2"], (0, 2, 4))
        return found


def said(arguments: list[str], codes: tuple[int, ...] = (0, 2)) -> str | None:
    """What is wrong with how a command ended, or None."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command([*arguments, "--quiet"])
        except Exception:
            return f"{arguments[0]}: {traceback.format_exc(limit=-2)}"
    sentences = [line for line in err.getvalue().splitlines() if line.startswith("edgeport: ")]
    warned = "WARNING: " in err.getvalue()  # what `report` ends with 2 for
    if code not in codes or len(sentences) > 1 or bool(sentences or warned) < (code == 2):
        return f"{arguments[0]}: code {code}, {err.getvalue()[-200:]!r}"
    if not all(sentence.isprintable() for sentence in sentences):
        return f"{arguments[0]}: says {sentences[0]!r}"
    return None


# -- artifacts


def damaged_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Some bytes changed, cut off, left out or doubled; four at a time, as offsets and sizes are."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 6)):
        if not changed:
            break
        place, kind = int(random.integers(len(changed))), random.integers(6)
        if kind == 0:
            changed[place] = random.integers(256)
        elif kind == 1:
            changed[place] ^= 1 << random.integers(8)
        elif kind == 2:
            del changed[place : place + random.integers(1, 9)]
        elif kind == 3:
            changed[place:place] = changed[place : place + 8]
        elif kind == 4:
            value = int(random.choice([0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
            changed[place & ~3 : (place & ~3) + 4] = value.to_bytes(4, "little")
        else:
            del changed[place:]
    return bytes(changed)


def damaged_tflite(seed: int) -> bytes:
    """Mostly damaged where the structure is: before the weights, behind them, not in them."""
    random = np.random.default_rng(seed)
    content = (whole() / f"lenet5_{('fp32', 'int8')[seed % 2]}.tflite").read_bytes()
    if seed % 3:
        return damaged_bytes(content, random)
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):  # offsets that still point into the file
        place = int(random.integers(len(changed) // 4)) * 4
        changed[place : place + 4] = int(random.integers(64)).to_bytes(4, "little")
    return bytes(changed)


def artifact_trouble(ending: str, damaged: Callable[[int], bytes], seed: int) -> str | None:
    """What is wrong with how a damaged artifact is opened and run, or None."""
    content = damaged(seed)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"damaged{ending}"
        path.write_bytes(content)
        try:
            edgeport.benchmark(path, num_runs=1, warmup_runs=1)
        except edgeport.EdgeportError as e:
            if "\n" in str(e):
                return f"not one sentence: {str(e)!r}"
            if "cannot be run (" in str(e) or "ended itself with code" in str(e):
                return f"an exception that nobody expected: {e}"
        except Exception as e:
            return f"{type(e).__name__}: {str(e)[:300]}"
    taken = time.monotonic() - start
    return f"took {taken:.0f} s" if taken > LIMIT_S else None


TROUBLE: dict[str, Callable[[int], str | None]] = {
    "manifests": manifest_trouble,
    "tflite": functools.partial(artifact_trouble, ".tflite", damaged_tflite),
    "onnx": functools.partial(artifact_trouble, ".onnx", damaged_onnx),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(TROUBLE), help=", ".join(TROUBLE))
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--count", type=int, metavar="N", help="of each kind (default: a full run)")
    parser.add_argument("--seconds", type=float, metavar="S", help="in all, in place of a count")
    arguments = parser.parse_args()
    share = arguments.seconds / len(arguments.kinds) if arguments.seconds else None
    for kind in arguments.kinds:
        end, tried, found = time.monotonic() + (share or 0), 0, 0
        while time.monotonic() < end if share else tried < (arguments.count or COUNTS[kind]):
            seed = arguments.first + tried
            trouble = TROUBLE[kind](seed)
            tried += 1
            if trouble is not None:
                found += 1
                print(f"{kind} {seed}: {trouble}", flush=True)
        print(f"{kind}: {tried} files, {found} troubles", flush=True)


if __name__ == "__main__":
    main()
