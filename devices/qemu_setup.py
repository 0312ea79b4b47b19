"""Build the emulated aarch64 environment: QEMU with a plugin, a small Debian with Python, the runtimes.

    FOLDER/qemu    qemu-aarch64 with its own libraries, so that the machine's do not matter
    FOLDER/root    Debian's Python and what it needs, for aarch64
    FOLDER/site    NumPy and the runtimes, from wheels for aarch64
    FOLDER/plugin  libicount.so, made by cc from icount.c
    FOLDER/cpus    for each CPU of cpus.py: `python`, and a view of the root with that CPU's /proc/cpuinfo

Each part appears when it is whole, so that a set-up that was interrupted goes on where it stopped.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..artifacts.errors import DeviceError
from .cpus import PROFILES, Profile
from .debian import fetch, run
from .environment import STAMP, Part, build_parts, leave_out_documents

RELEASE = "bookworm"  # the one whose QEMU (7.2) is built with plugins; its Python is 3.11
PYTHON = "3.11"
PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)), "manylinux2014_aarch64")  # glibc 2.36
KERNELS = "EDGEPORT_KERNELS "  # begins what the script says where it cannot count
# int8 kernels by the instruction that they are made of; how a disassembler writes them
MNEMONICS = ("sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "smlal", "smlal2", "umlal", "umlal2", "fmla")


def setup(folder: Path, distributions: Sequence[str], say: Callable[[str], None]) -> None:
    """Builds what is not there yet.

    Args:
        distributions: of Python, as pip names them: "numpy", "ai-edge-litert==2.0.0".
        say: is told each part that is begun.

    Raises DeviceError: another machine than x86-64 Linux, no apt-get, no network, no wheel, no room.
    """
    parts = {
        "qemu": Part("QEMU", lambda new: _qemu(new)),
        "root": Part("Debian's Python for aarch64", lambda new: _root(new)),
        "site": Part(f"{', '.join(distributions)} for aarch64", lambda new: _site(new, distributions)),
        "plugin": Part("the plugin that counts instructions", lambda new: _plugin(new)),
        "cpus": Part(f"the CPUs {', '.join(PROFILES)}", lambda new: _cpus(new, folder)),
    }
    build_parts("qemu", folder, parts, say)
    if not (folder / "plugin" / "libicount.so").exists():
        say("qemu: no C compiler (cc) is here, so instructions will not be counted; kernels are still reported")


def _qemu(new: Path) -> None:
    fetch(["qemu-user"], new, release=RELEASE, architecture="amd64")
    for other in (new / "usr" / "bin").glob("qemu-*"):
        if other.name != "qemu-aarch64":
            other.unlink()
    leave_out_documents(new)


def _root(new: Path) -> None:
    packages = ["python3.11-minimal", "libpython3.11-stdlib", "libstdc++6"]
    fetch(packages, new, release=RELEASE, architecture="arm64")
    leave_out_documents(new)


def _site(new: Path, distributions: Sequence[str]) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
    wanted = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    with tempfile.TemporaryDirectory(prefix="edgeport-") as wheels:
        run([*pip, *wanted, *platforms, "--dest", wheels, *distributions], name="pip download")
        for wheel in sorted(Path(wheels).glob("*.whl")):
            with zipfile.ZipFile(wheel) as file:
                file.extractall(new)


def _plugin(new: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        return
    source = Path(__file__).with_name("icount.c")
    run([compiler, "-O2", "-shared", "-fPIC", "-o", str(new / "libicount.so"), str(source)])


def _cpus(new: Path, folder: Path) -> None:
    for name, profile in PROFILES.items():
        root = new / name / "root"
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(profile.cpuinfo)
        for entry in os.listdir(folder / "root"):
            if entry not in ("proc", STAMP):
                (root / entry).symlink_to(f"../../../root/{entry}")
        python = new / name / "python"
        python.write_text(script(profile))
        python.chmod(0o755)


def script(profile: Profile) -> str:
    """A shell script that is Python on that CPU; its arguments are Python's.

    With the plugin, marks are counted in counts.jsonl; without it, a last line tells how often which kernel's
    instruction stands in the code that ran.
    """
    return f"""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
base=$(cd "$here/../.." && pwd)
libraries=$base/qemu/lib/x86_64-linux-gnu:$base/qemu/usr/lib/x86_64-linux-gnu
emulate() {{
    env -i PATH=/usr/bin:/bin HOME=/nonexistent PYTHONPATH="$base/site" PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \\
        OPENBLAS_NUM_THREADS=1 \\
        "$base/qemu/lib64/ld-linux-x86-64.so.2" --library-path "$libraries" "$base/qemu/usr/bin/qemu-aarch64" \\
        -cpu {profile.model} -L "$here/root" "$@"
}}
python=$base/root/usr/bin/python{PYTHON}
if [ -e "$base/plugin/libicount.so" ]; then
    emulate -plugin "$base/plugin/libicount.so,out=counts.jsonl" "$python" "$@"
    exit
fi
emulate -d in_asm -D code.txt "$python" "$@"
status=$?
printf '\\n{KERNELS}'
grep -o -w -E '{"|".join(MNEMONICS)}' code.txt | sort | uniq -c | tr '\\n' ' '
exit $status
"""


def check(folder: Path) -> None:
    """Raises DeviceError unless all is built and aarch64 Python starts."""
    python = folder / "cpus" / "cortex-a53" / "python"
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run([python, "-c", "import numpy"], cwd=name, capture_output=True, text=True)
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise DeviceError(f"qemu: aarch64 Python does not start ({words})")
