"""`edgeport.doctor`: what this machine has, and what is missing for which target."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..reporting.html_table import html_table
from ..runtime.cpu import INFO, cpu_name, read_cpuinfo
from ..targets.registry import installed_version, targets

# distribution -> what it is for, of those that are needed whatever the target
CORE = {
    "torch": "models, the reference",
    "onnx": "the graph's schema",
    "onnx-ir": "the graph",
    "onnxscript": "export from PyTorch",
    "onnxruntime": "calibration, .onnx files",
    "numpy": "arrays",
    "pillow": "images",
    "safetensors": "weights",
}

# what the int8 and float kernels choose by; names as in /proc/cpuinfo, x86 and ARM
CPU_FEATURES = (
    *("fma", "f16c", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What this machine has.

    Attributes:
        python, platform: their versions.
        cpu: {"model", "cores", "features"}; only what the system reports.
        backends: {distribution: its version, None where it is missing}.
        purposes: {distribution: what it is for}.
        targets: {name: {"ready", "missing", "extra"}}.
    """

    python: str
    platform: str
    cpu: dict[str, Any]
    backends: dict[str, str | None]
    purposes: dict[str, str]
    targets: dict[str, dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport doctor --json` prints."""
        names = ("python", "platform", "cpu", "backends", "targets")
        return {name: getattr(self, name) for name in names}

    def _repr_html_(self) -> str:
        rows = [(name, version or "missing") for name, version in self.backends.items()]
        return html_table([*rows, *((name, describe_target(each)) for name, each in self.targets.items())])


def doctor() -> Diagnosis:
    """Looks at what is installed.

    Returns:
        The versions of the backends, the processor, and for each target whether it is ready.

    Example:
        >>> edgeport.doctor().targets["tflite"]["ready"]
        True
    """
    known = targets().values()
    purposes = CORE | {name: words for target in known for name, words in target.purposes.items() if name not in CORE}
    return Diagnosis(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=describe_cpu(),
        backends={name: installed_version(name) for name in ("edgeport", *purposes)},
        purposes=purposes,
        targets={
            target.name: {"ready": not target.missing(), "missing": target.missing(), "extra": target.install}
            for target in known
        },
    )


def describe_cpu(info: Path = INFO) -> dict[str, Any]:
    """{"model", "cores", "features"}; only what Linux tells."""
    entries = read_cpuinfo(info)
    flags = set(entries.get("flags", entries.get("Features", "")).split())
    return {
        "model": cpu_name(info),
        "cores": os.cpu_count(),
        "features": [feature for feature in CPU_FEATURES if feature in flags],
    }


def describe_target(facts: dict[str, Any]) -> str:
    """What is missing for a target, and how to get it; "ready" where nothing is."""
    return "ready" if facts["ready"] else f"missing {', '.join(facts['missing'])}: pip install '{facts['extra']}'"
