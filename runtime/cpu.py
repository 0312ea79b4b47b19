"""What Linux tells of this machine's CPU."""

import functools
import platform
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
