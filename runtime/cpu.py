"""What Linux tells of this machine's CPU."""

import functools
import platform
from collections.abc import Iterable
from pathlib import Path

INFO = Path("/proc/cpuinfo")


def read_cpuinfo(info: Path = INFO) -> dict[str, str]:
    """{key: value} of the first core; empty where there is no such file."""
    entries: dict[str, str] = {}
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            entries.setdefault(key.strip(), value.strip())
    return entries


@functools.cache
def cpu_name(info: Path = INFO) -> str:
    """Its name, as far as this machine tells it: the model, a board's, or the architecture alone."""
    entries = read_cpuinfo(info)
    return entries.get("model name") or entries.get("Model") or platform.processor() or platform.machine()


# flag of /proc/cpuinfo ("flags" on x86, "Features" on Arm): what it stands for, the widest first
MATRIX_INSTRUCTIONS = {
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "sme2": "SME2",
    "sme": "SME",
    "sve2": "SVE2",
    "i8mm": "I8MM",
    "asimddp": "dot product",
    "asimd": "NEON",
}


@functools.cache
def matrix_instructions(info: Path = INFO) -> str:
    """Those of this CPU that int8 and float matrix products use, "AMX int8, AVX-512 VNNI"; "" where it is not told."""
    entries = read_cpuinfo(info)
    return name_instructions((entries.get("flags") or entries.get("Features") or "").split())


def name_instructions(flags: Iterable[str]) -> str:
    """The same, of the flags of a CPU as /proc/cpuinfo names them."""
    known = set(flags)
    return ", ".join(name for flag, name in MATRIX_INSTRUCTIONS.items() if flag in known)
