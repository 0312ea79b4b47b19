"""What OpenVINO's CPU plugin gets right and wrong: the scheme OPENVINO_CPU and the session's settings rest on it.

A failure here means that the installed runtime differs. Where something wrong became right, a rule can go.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
CPU = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
RIGHT, WRONG = 90, 60  # dB: at least, at most

# probe -> whether it is right with AVX-512 VNNI, and no AMX
FACTS = {
    "signed, pair after Concat": False,
    "signed, pairs before Concat": False,
    "unsigned, pair after Concat": True,
    "unsigned, pairs before Concat": True,
    "unsigned, zero points differ": False,
    "unsigned, scales differ": True,  # but in float, so slow
    "average of integers": False,
    "average of float": True,
    "weight only, as it comes": False,  # quantises the activations on the fly
    "weight only, static": True,
    "float, f32": True,
}


@cache
def measured() -> dict[str, float]:
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI", "PYTHONPATH": str(TESTS)}
    command = [sys.executable, str(TESTS / "openvino_probes.py")]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif("avx512_vnni" not in CPU, reason="the facts are of AVX-512 VNNI")
@pytest.mark.parametrize("name", FACTS)
def test_fact(name):
    if FACTS[name]:
        assert measured()[name] > RIGHT
    else:
        assert measured()[name] < WRONG


@pytest.mark.skipif("avx512_bf16" not in CPU, reason="the CPU has no bf16")
def test_float_is_bf16_unless_told_otherwise():
    assert measured()["float, as it comes"] < WRONG


@pytest.mark.skipif("avx512_vnni" not in CPU, reason="the facts are of AVX-512 VNNI")
def test_every_probe_is_judged():
    assert measured().keys() == {*FACTS, "float, as it comes", "has bf16"}
