"""The Kotlin compiler, for tests of the wrappers for Android, with stubs of Android's and LiteRT's interfaces."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from android_stubs import STUBS


def find_compiler() -> list[str]:
    """The compiler, with its standard library behind it: beside tests/clients' own, or the one on the PATH. Skips the
    test where there is none."""
    package = Path(__file__).parent / "clients/node_modules/kotlin-compiler"
    beside = package / "bin/kotlinc"
    found = ["bash", str(beside)] if beside.exists() else [shutil.which("kotlinc")]
    standard = package / "lib/kotlin-stdlib.jar" if beside.exists() else Path("/usr/share/java/kotlin-stdlib.jar")
    standard = Path(os.environ.get("KOTLIN_STDLIB", standard))
    if not (found[-1] and shutil.which("javac") and standard.exists()):
        pytest.skip("no kotlinc (`make test-clients` brings it; Debian: apt-get install kotlin) or no javac")
    return [*found, str(standard)]


def compile_sources(compiler: list[str], runtime: str, sources: list[Path], folder: Path) -> list[str]:
    """Compiles the sources with the stubs of an Android runtime; the command that runs a class of them."""
    *command, standard = compiler
    for name, source in STUBS[runtime].items():
        (folder / "stubs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "stubs" / name).write_text(source)
    java, kotlin = (
        [folder / "stubs" / name for name in STUBS[runtime] if name.endswith(kind)] for kind in ("java", "kt")
    )
    subprocess.run(["javac", "-d", folder / "java", *java], check=True)
    path = f"{standard}:{folder / 'java'}"
    command += ["-no-stdlib", "-no-reflect", "-cp", path, "-d", folder / "out", *kotlin, *sources]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ["java", "-cp", f"{folder / 'out'}:{path}"]
