"""edgeport beside its peers: the same models, weights, inputs and one thread. The page is docs/generated/benchmarks.md.

    python -m benchmarks.peers                              all that is not known yet, then the page
    python -m benchmarks.peers --setup-only                 only the environments
    python -m benchmarks.peers --models resnet50 --peers onnx2tf --again
    python -m benchmarks.peers --convert-only               while the machine is busy: no timings
    python -m benchmarks.peers --gpu                        also float .tflite on LiteRT's GPU, once that is set up
    python -m benchmarks.peers --render                     the page again from what is known

Environments and artifacts lie in benchmarks/.peers, or where EDGEPORT_PEERS says, results in
benchmarks/results/benchmarks.jsonl. One process runs at a time. Interrupted, it goes on with the next step.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from edgeport.runtime.backends import OFF

from benchmarks.peers import page, results
from benchmarks.peers.environments import FOLDER, NotInstalled, python
from benchmarks.peers.material import Material
from benchmarks.peers.peers import FORMATS, FP32, INT8, MODELS, OURS, PEERS, Peer
from benchmarks.peers.process import Failed, answer
from benchmarks.photographs import write_photographs

TIMEOUT_S = 300  # of one conversion


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help="default: %(default)s")
    parser.add_argument("--peers", nargs="+", default=tuple(PEERS), choices=tuple(PEERS), metavar="PEER")
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS, metavar="FORMAT")
    parser.add_argument("--precisions", nargs="+", default=(FP32, INT8), choices=(FP32, INT8), metavar="PRECISION")
    parser.add_argument("--runs", type=int, default=60, help="timed rounds (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="per conversion (%(default)s)")
    parser.add_argument("--again", action="store_true", help="also what is known")
    parser.add_argument("--setup-only", action="store_true")
    parser.add_argument("--convert-only", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args(argv)
    os.environ[OFF] = "1"  # in the peers' processes, too
    if not args.render:
        for step in setup(args.peers) if args.setup_only else steps(args):
            print(step, flush=True)
    if not args.setup_only:
        page.write()
    return 0


def setup(peers: Sequence[str]) -> Iterator[str]:
    """Makes the environments; a line for each."""
    for peer in peers:
        try:
            python(peer)
            yield f"{peer}: ready"
        except NotInstalled as e:
            yield f"{peer}: {e}"


def steps(args: argparse.Namespace) -> Iterator[str]:
    """Converts, checks and times what is not known; a line for each."""
    for model in args.models:
        material = prepare_material(model)
        for peer in (PEERS[name] for name in args.peers):
            yield from convert_all(material, peer, args)
            if args.gpu and "tflite" in peer.makes:
                yield from run_on_gpu(material, peer.name, args.again)
        if not args.convert_only:
            for format_, precision in product(args.formats, args.precisions):
                yield from time_artifacts(material, format_, precision, args.runs, args.again)


def prepare_material(model: str) -> Material:
    """The model's material, made where it is missing."""
    material, photographs = Material(model, FOLDER / "material" / model), FOLDER / "photographs"
    if not photographs.exists():
        write_photographs(photographs)
    if not material.validation.exists():
        material.folder.mkdir(parents=True, exist_ok=True)
        answer(python(OURS), "peers.reference", (model, material.folder, photographs), timeout_s=600)
    return material


def convert_all(material: Material, peer: Peer, args: argparse.Namespace) -> Iterator[str]:
    """All that this peer makes of a model and that is asked for, each checked as soon as it is there."""
    known = results.read().cells
    makes = [(format_, precision) for format_, precisions in peer.makes.items() for precision in precisions]
    for format_, precision in makes:
        if format_ not in args.formats or precision not in args.precisions:
            continue
        cell = {"model": material.model, "format": format_, "precision": precision, "peer": peer.name}
        if args.again or results.key(cell) not in known:
            cell |= try_conversion(material, peer.name, format_, precision, args.timeout)
            results.append(cell)
            yield f"{' '.join(results.key(cell))}: {cell.get('error', 'ok')}"


def try_conversion(material: Material, peer: str, format_: str, precision: str, timeout_s: float) -> results.Facts:
    """What one conversion took and what its artifact is; "error" says at which stage it ended, and why."""
    folder = FOLDER / "artifacts" / material.model / peer
    folder.mkdir(parents=True, exist_ok=True)
    facts, stage = {}, "install"
    try:
        interpreter, stage = python(peer), "convert"
        arguments = (peer, material.model, format_, precision, material.folder, folder)
        facts |= answer(interpreter, "peers.conversion", arguments, timeout_s=timeout_s)
        artifact = path_of(facts["artifact"])
        facts["artifact"], stage = str(artifact.relative_to(FOLDER)), "load"
        facts |= answer(python(OURS), "peers.check", (material.model, material.folder, artifact), timeout_s=timeout_s)
    except (NotInstalled, Failed) as e:
        facts |= {"stage": stage, "error": str(e).replace(f"{FOLDER}/", "")}
    return facts


def run_on_gpu(material: Material, peer: str, again: bool) -> Iterator[str]:
    """What LiteRT's GPU makes of a peer's float .tflite, where there is one; a line says so."""
    known = results.read()
    cell = {"model": material.model, "format": "tflite", "precision": FP32, "peer": peer}
    artifact = FOLDER / known.cells.get(results.key(cell), {}).get("artifact", "none")
    if not artifact.exists() or (not again and results.key(cell) in known.on_gpu):
        return
    try:
        found = answer(python(OURS), "peers.on_gpu", (material.model, material.folder, artifact), timeout_s=900)
    except Failed as e:
        found = {"error": str(e)}
    results.append({**cell, "gpu": found})
    yield f"{' '.join(results.key(cell))} on the GPU: {found.get('error', 'ok')}"


def path_of(artifact: str) -> Path:
    """Of an OpenVINO folder the file in it."""
    path = Path(artifact)
    return next(path.glob("*.xml")) if path.is_dir() else path


def time_artifacts(material: Material, format_: str, precision: str, runs: int, again: bool) -> Iterator[str]:
    """Times all artifacts of a model in one format and precision, int8 beside our float, unless these are timed."""
    known = results.read()
    artifacts = {
        f"{of} {peer}": FOLDER / facts["artifact"]
        for (model, other, of, peer), facts in known.cells.items()
        if (model, other) == (material.model, format_)
        and (of == precision or (of, peer) == (FP32, OURS))
        and "error" not in facts
        and (FOLDER / facts.get("artifact", "none")).exists()
    }
    before = known.timings.get((material.model, format_, precision), {"latencies": {}})
    if len(artifacts) < 2 or (not again and artifacts.keys() <= before["latencies"].keys()):
        return
    pairs = [f"{label}={path}" for label, path in artifacts.items()]
    load = os.getloadavg()[0]
    latencies = answer(python(OURS), "peers.timing", (material.model, material.folder, runs, *pairs), timeout_s=900)
    facts = {"model": material.model, "format": format_, "precision": precision, "machine": machine()}
    results.append({**facts, "load_average": load, "latencies": latencies})
    yield f"{material.model} {format_} {precision}: timed {len(artifacts)} artifacts, load average {load:.1f}"


def machine() -> str:
    """The processor, what of it counts for int8, and how many cores there are; Linux."""
    lines = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    extensions = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in facts["flags"].split()]
    return f"{facts['model name']}, {os.cpu_count()} cores, {', '.join(extensions)}"


if __name__ == "__main__":
    sys.exit(main())
