"""Build the wheel, check its content, and use it from another folder in fresh environments with one extra each.

    python .ci/wheel_check.py                     all of EXTRAS, below .wheel-check/ in the checkout
    python .ci/wheel_check.py --extras tflite --keep

The core dependencies are installed once. An environment sees those and, beyond them, only the packages of its extra.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODEL = "resnet_test"
ALWAYS = "onnx"  # the target that needs no extra
EXTRAS = {  # extra -> (target, its bundle's platform); "" is the wheel alone
    "": (ALWAYS, "linux"),
    "tflite": ("tflite", "android"),
    "openvino": ("openvino", "linux"),
    "coreml": ("coreml", "ios"),
    "coreai": ("coreai", "ios"),  # of x86-64 Linux and macOS
}
SCRIPT = ROOT / "tests" / "user_script.py"
TYPED, USED = "", "tflite"  # the extras with which Python's types are checked, and its scripts run


class Failed(Exception):
    """Something is not as it should be; the message says what."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="*", choices=list(EXTRAS), default=list(EXTRAS), help="only these")
    parser.add_argument("--folder", type=Path, default=ROOT / ".wheel-check", help="where environments are made")
    parser.add_argument("--keep", action="store_true", help="do not remove that folder at the end")
    args = parser.parse_args(argv)
    folder = args.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    try:
        wheel = build(folder / "wheel")
        check_content(wheel)
        core = make_environment(folder / "core")
        install(core, "edgeport", wheel)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda extra: check_extra(extra, wheel, core, folder), args.extras))
    except Failed as problem:
        print(f"wheel-check: {problem}", file=sys.stderr)
        return 1
    finally:
        if not args.keep:
            shutil.rmtree(folder)
    report("passed", wheel, started)
    return 0


def build(folder: Path) -> Path:
    """The wheel of the checkout."""
    started = time.perf_counter()
    remove_leftovers()  # setuptools would take files along that are no longer in the checkout
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    remove_leftovers()
    (wheel,) = folder.glob("edgeport-*.whl")
    return report("built", wheel, started)


def remove_leftovers() -> None:
    """Remove what setuptools leaves in the checkout when it builds a wheel."""
    for leftover in ("lib", "bdist*"):
        for path in (ROOT / "build").glob(leftover):
            shutil.rmtree(path)


def check_content(wheel: Path) -> None:
    """Raise Failed unless the wheel holds exactly the files of the packages, whatever their kind, and the licence."""
    names = zipfile.ZipFile(wheel).namelist()
    found = {name for name in names if name.startswith("edgeport/")}
    expected = list_content()
    if missing := sorted(expected - found):
        raise Failed(f"not in the wheel: {', '.join(missing)}")
    if extra := sorted(found - expected):
        raise Failed(f"in the wheel, but not in the checkout: {', '.join(extra)}")
    if not any(name.endswith("/licenses/LICENSE") for name in names):
        raise Failed("the wheel has no licence")
    if "edgeport/py.typed" not in found:
        raise Failed("the wheel has no py.typed")


def list_content() -> set[str]:
    """What the wheel has to hold: every file that git does not ignore, in the folder of a top-level package."""
    listing = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    mapped = PROJECT["tool"]["setuptools"]["package-dir"].items()
    tops = {source: package.replace(".", "/") for package, source in mapped if "/" not in source}
    files = (Path(name) for name in listing.splitlines() if (ROOT / name).is_file())
    return {f"{tops[file.parts[0]]}/{'/'.join(file.parts[1:])}" for file in files if file.parts[0] in tops}


def make_environment(folder: Path, core: Path | None = None) -> Path:
    """A virtual environment, which sees the packages of `core`, too; returns its Python."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    if core:
        (site,) = core.parents[1].glob("lib/python*/site-packages")
        (own,) = folder.glob("lib/python*/site-packages")
        (own / "core.pth").write_text(f"{site}\n", encoding="utf-8")
    return python


def install(python: Path, requirement: str, wheel: Path) -> None:
    """Install edgeport, with an extra perhaps, from the wheel."""
    started = time.perf_counter()
    options = ("--quiet", "--disable-pip-version-check", "--no-compile", "--constraint", ROOT / "constraints.txt")
    run(python, "-m", "pip", "install", *options, "--no-deps", "--ignore-installed", wheel)  # with its own command
    run(python, "-m", "pip", "install", *options, f"{requirement} @ {wheel.as_uri()}")
    report("installed", requirement, started)


def check_extra(extra: str, wheel: Path, core: Path, folder: Path) -> None:
    """Use edgeport with one extra, from a folder outside of the checkout's packages."""
    target, platform = EXTRAS[extra]
    python, elsewhere = core, folder / f"{extra or 'none'}-used"
    elsewhere.mkdir()
    if extra:
        python = make_environment(folder / extra, core)
        install(python, f"edgeport[{extra}]", wheel)
    started = time.perf_counter()
    command = python.with_name("edgeport")
    version = run(command, "--version", cwd=elsewhere).strip()
    if version != f"edgeport {wheel.name.split('-')[1]}":
        raise Failed(f"`edgeport --version` prints {version!r}")
    targets = json.loads(run(command, "doctor", "--json", cwd=elsewhere))["targets"]
    ready = {name for name, facts in targets.items() if facts["ready"]}
    if ready != {ALWAYS, target}:
        raise Failed(f"edgeport[{extra}]: doctor says ready: {', '.join(sorted(ready)) or 'nothing'}")
    options = ("--weights", "random", "--int8", "--json", "--quiet", "--no-benchmark")
    result = json.loads(run(command, "export", MODEL, "--target", target, *options, cwd=elsewhere))
    run(command, "bundle", result["artifact"], "--platform", platform, "--quiet", cwd=elsewhere)
    other = next(name for name in sorted(targets) if name not in ready)
    refused = subprocess.run(
        [command, "export", MODEL, "--target", other, "--weights", "random"],
        cwd=elsewhere,
        env=environment(),
        capture_output=True,
        text=True,
    )
    if refused.returncode != 2 or targets[other]["extra"] not in refused.stderr:
        raise Failed(f"edgeport[{extra}]: export --target {other} does not name its extra: {refused.stderr}")
    check_python(python, extra, elsewhere)
    report("used", f"edgeport[{extra}]" if extra else "edgeport", started)


def check_python(python: Path, extra: str, folder: Path) -> None:
    """Load every public name; check the types of the README's Python lines and of a user's script, and run these."""
    run(python, "-c", "import edgeport; [getattr(edgeport, name) for name in edgeport.__all__]", cwd=folder)
    scripts = [folder / "readme.py", folder / SCRIPT.name]
    scripts[0].write_text(readme_lines(), encoding="utf-8")
    shutil.copy(SCRIPT, folder)
    if extra == TYPED:
        check_types(python, scripts, folder)
    if extra == USED:
        make_photographs(python, folder / "photos")
        with ThreadPoolExecutor(2) as pool:  # they take longest, when the other extras are done
            list(pool.map(lambda script: run(python, script, cwd=folder), scripts))


def check_types(python: Path, scripts: Sequence[Path], folder: Path) -> None:
    """Raise Failed unless users' scripts pass a type checker, and everything public has a type that it knows."""
    (package,) = python.parents[1].glob("lib/python*/site-packages/edgeport")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', encoding="utf-8")
    pyright = (sys.executable, "-m", "pyright")
    run(*pyright, "--pythonpath", python, *scripts, package / "__init__.py", cwd=folder)
    (folder / "pyrightconfig.json").unlink()
    found = subprocess.run(  # its code is 1 where any symbol of any module is without a type, public or not
        [*pyright, "--verifytypes", "edgeport", "--ignoreexternal", "--outputjson"],
        cwd=folder,
        env=environment() | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    public = list_public(python)
    symbols = [
        symbol
        for symbol in json.loads(found.stdout)["typeCompleteness"]["symbols"]
        if symbol["name"] in public or symbol["name"].startswith(tuple(f"{name}." for name in public))
    ]
    if missing := public - {symbol["name"] for symbol in symbols}:
        raise Failed(f"a type checker does not see {', '.join(sorted(missing))}")
    vague = [each["name"] for each in symbols if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    if vague:
        raise Failed(f"of {len(symbols)} public symbols these have no known type: {', '.join(vague)}")


def list_public(python: Path) -> set[str]:
    """The public names, by the modules that define them."""
    code = "import edgeport; print(*(f'edgeport.{place}.{name}' for name, place in edgeport._PLACE_OF.items()))"
    return set(run(python, "-c", code).split())


def readme_lines() -> str:
    """The Python lines of the README."""
    (lines,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return lines


def make_photographs(python: Path, folder: Path) -> None:
    """Smooth pictures in the place of photographs, which no core dependency brings along."""
    folder.mkdir(exist_ok=True)
    code = """
import sys
import numpy as np
from PIL import Image
rng = np.random.default_rng(0)
for i in range(16):
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    small.resize((320, 256), Image.Resampling.BICUBIC).save(f"{sys.argv[1]}/{i:02}.jpg")
"""
    run(python, "-c", code, folder)


def environment() -> dict[str, str]:
    """Of what is run: no path into the checkout, no look at the network for weights, one thread."""
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return outside | {"EDGEPORT_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command prints. Raises Failed with its last lines where it fails."""
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment(), capture_output=True, text=True)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Failed(f"{' '.join(map(str, command))[:200]} ended with code {done.returncode}:\n{last}")
    return done.stdout


def report(what: str, thing: Path | str, started: float) -> Path:
    """Print a line of progress; returns the thing."""
    path = Path(thing)
    print(f"wheel-check: {what} {path.name} ({time.perf_counter() - started:.0f} s)", flush=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
