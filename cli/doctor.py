"""This file is the verb `doctor`: what this machine has, and what is missing for which target."""

import argparse
import os
import platform
from pathlib import Path

from .console import Console, table

NAME, HELP = "doctor", "what is installed, and what is missing for which target"

# distribution -> what it is for
BACKENDS = {
    "torch": "models, the reference",
    "onnx": "the graph's schema",
    "onnx-ir": "the graph",
    "onnxscript": "export from PyTorch",
    "onnxruntime": "calibration, .onnx files",
    "ai-edge-litert": ".tflite files: the schema, the interpreter",
    "flatbuffers": ".tflite files: writing",
    "openvino": "OpenVINO models",
    "coremltools": ".mlpackage folders: writing; on a Mac also running",
    "numpy": "arrays",
    "pillow": "images",
    "safetensors": "weights",
}

# what the int8 and float kernels choose by; names as in /proc/cpuinfo, x86 and ARM
CPU_FEATURES = (
    *("fma", "f16c", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, console: Console) -> int:
    from ..targets.registry import TARGETS, installed

    versions = {name: installed(name) for name in ("edgeport", *BACKENDS)}
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "backends": versions,
        "targets": {
            name: {"ready": not target.missing(), "missing": target.missing(), "extra": target.install}
            for name, target in TARGETS.items()
        },
    }
    console.result(facts, report(facts))
    return 0


def cpu(info: Path = Path("/proc/cpuinfo")) -> dict:
    """{"model", "cores", "features"}; only what Linux tells."""
    entries: dict[str, str] = {}
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            entries.setdefault(key.strip(), value.strip())
    flags = set(entries.get("flags", entries.get("Features", "")).split())
    return {
        "model": entries.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "features": [feature for feature in CPU_FEATURES if feature in flags],
    }


def report(facts: dict) -> str:
    """The facts for people."""
    rows = [(name, facts["backends"][name] or "MISSING", purpose) for name, purpose in BACKENDS.items()]
    targets = [(name, "ready" if target["ready"] else "-", words(target)) for name, target in facts["targets"].items()]
    processor = facts["cpu"]
    return "\n".join(
        (
            f"edgeport {facts['backends']['edgeport']}, Python {facts['python']}, {facts['platform']}",
            f"CPU: {processor['model']}, {processor['cores']} cores; {' '.join(processor['features']) or 'unknown'}",
            "",
            table(("backend", "version", "for"), rows),
            "",
            table(("target", "state", "missing"), targets),
        )
    )


def words(target: dict) -> str:
    return "" if target["ready"] else f"{', '.join(target['missing'])}: pip install '{target['extra']}'"
