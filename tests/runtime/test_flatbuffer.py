"""Damaged .tflite files are refused before native code reads them; whole ones pass."""

import subprocess
import sys
from pathlib import Path

import pytest
from edgeport.runtime.sessions import tflite_verifier

# Opens and runs every variant that a generator makes of a file; prints how many were refused and how many ran.
PROGRAM = """
import random, resource, sys
from pathlib import Path
import numpy as np
from edgeport.artifacts.errors import ArtifactError
from edgeport.targets.registry import open_session

resource.setrlimit(resource.RLIMIT_AS, (12_000_000_000,) * 2)
data, path, mode = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
rng = random.Random(0)

def flipped():
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 2, 4])):
        damaged[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(damaged)

variants = {"cut": lambda: (data[:n] for n in range(len(data))), "flip": lambda: (flipped() for _ in range(1500))}
refused = ran = 0
for variant in variants[mode]():
    path.write_bytes(variant)
    try:
        session = open_session(path)
        session.run({spec.name: np.zeros(spec.shape, np.float32) for spec in session.inputs})
        ran += 1
    except ArtifactError as e:
        assert "\\n" not in str(e)
        refused += 1
print(refused, ran)
"""


def run(artifact: Path, tmp_path: Path, mode: str) -> tuple[int, int]:
    command = [sys.executable, "-c", PROGRAM, str(artifact), str(tmp_path / "damaged.tflite"), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])  # a negative code: native code crashed
    refused, ran = done.stdout.split()
    return int(refused), int(ran)


@pytest.mark.parametrize("name", ["nhwc.tflite", "int8.tflite", "dense.tflite"])
def test_cut_at_every_length(artifacts, tmp_path, name):
    refused, ran = run(artifacts[name], tmp_path, "cut")
    assert (refused, ran) == (artifacts[name].stat().st_size, 0)


@pytest.mark.parametrize("name", ["nhwc.tflite", "int8.tflite", "dense.tflite"])
def test_random_damage_never_crashes(artifacts, tmp_path, name):
    refused, ran = run(artifacts[name], tmp_path, "flip")
    assert refused > 500
    assert ran > 50  # damage to weights and padding is nobody's to find without a manifest


def test_whole_files_pass(artifacts):
    for path in artifacts.values():
        if path.suffix == ".tflite":
            tflite_verifier.verify(path.read_bytes())


def test_metadata(artifacts):
    model = tflite_verifier.verify(artifacts["nhwc.tflite"].read_bytes())
    assert tflite_verifier.metadata(model)["edgeport"].startswith(b'{"inputs"')
