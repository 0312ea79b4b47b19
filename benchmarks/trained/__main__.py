"""What int8 costs trained networks: top-1 on photographs they never saw. The outcome is docs/generated/accuracy.md.

    python -m benchmarks.trained                        all that has no result yet, then the page
    python -m benchmarks.trained vit levit --again      these, also what is known
    python -m benchmarks.trained --peers ours --no-budget
    python -m benchmarks.trained --draws 2              also int8 from other calibration crops
    python -m benchmarks.trained --render               the page again from what is known

Weights and artifacts lie where those of `python -m benchmarks.peers` do, and so do the peers' environments. A network
is trained once, in two minutes or so of one core. Interrupted, it goes on with the next step.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers.__main__ import path_of
from benchmarks.peers.environments import FOLDER, NotInstalled, python
from benchmarks.peers.material import Material
from benchmarks.peers.peers import INT8, OURS
from benchmarks.peers.process import Failed, answer
from benchmarks.trained import page, photographs, results
from benchmarks.trained.networks import NETWORKS, model_name
from benchmarks.trained.reference import write_draw

TIMEOUT_S = 1800  # of one step
PEERS = {  # whose int8 is measured, in which formats
    OURS: ("tflite", "openvino", "onnx", "coreml"),
    "litert_torch": ("tflite",),
    "nncf": ("openvino",),
    "onnxruntime": ("onnx",),
}
BUDGETED = ("tflite",)  # for which the accuracy budget is tried: a search makes dozens of artifacts


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trained", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"only these (default: {', '.join(NETWORKS)})")
    parser.add_argument("--peers", nargs="+", default=tuple(PEERS), choices=tuple(PEERS), metavar="PEER")
    parser.add_argument("--formats", nargs="+", default=PEERS[OURS], choices=PEERS[OURS], metavar="FORMAT")
    words = "calibration sets for our int8, each drawn anew (default: 1)"
    parser.add_argument("--draws", type=int, default=1, metavar="N", help=words)
    parser.add_argument("--no-budget", dest="budget", action="store_false", help="no `--max-drop 0`")
    parser.add_argument("--again", action="store_true", help="also what is known; networks are not trained again")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page")
    args = parser.parse_args(argv)
    unknown = sorted(set(args.networks) - set(NETWORKS))
    if unknown:
        parser.error(f"there is no network {unknown[0]!r}; there are {', '.join(NETWORKS)}")
    if not args.render:
        for step in steps(args):
            print(step, flush=True)
    page.write()
    return 0


def steps(args: argparse.Namespace) -> Iterator[str]:
    """Trains, converts and measures what is not known; a line for each."""
    pictures = FOLDER / "trained" / "photographs"
    if not (pictures / "test").exists():
        photographs.write(pictures)
    for network in args.networks or NETWORKS:
        material = Material(model_name(network), FOLDER / "trained" / network)
        try:
            yield from prepare_material(network, material)
        except Failed as e:
            yield f"{network}: {e}"
            continue
        known = results.read()
        for peer, formats in PEERS.items():
            for format_ in formats if peer in args.peers else ():
                key = (network, format_, peer)
                if format_ in args.formats and (args.again or key not in known.drops):
                    facts = try_peer(network, material, format_, peer)
                    results.append({**dict(zip(results.DROP, key, strict=True)), **facts})
                    yield f"{' '.join(key)}: {facts.get('error') or page.points(facts)}"
        for draw in range(1, args.draws if OURS in args.peers else 1):
            for format_ in args.formats:
                key = (network, format_, draw)
                if args.again or key not in known.draws:
                    facts = try_peer(network, write_draw(network, material.folder, draw), format_, OURS)
                    results.append({**dict(zip(results.DRAW, key, strict=True)), **facts})
                    yield f"{network} {format_} draw {draw}: {facts.get('error') or page.points(facts)}"
        for format_ in BUDGETED if args.budget and OURS in args.peers else ():
            if format_ in args.formats and (args.again or (network, format_) not in known.budgets):
                facts = try_budget(network, material, format_, pictures)
                results.append({"network": network, "target": format_, **facts})
                yield f"{network} {format_} --max-drop 0: {facts.get('error') or page.outcome(facts)}"


def prepare_material(network: str, material: Material) -> Iterator[str]:
    """Trains the network and makes its material, where they are missing. Raises Failed."""
    material.folder.mkdir(parents=True, exist_ok=True)
    if not material.weights.exists():
        took = answer(python(OURS), "trained.training", (network, material.weights), timeout_s=TIMEOUT_S)
        yield f"{network}: trained, {took['cpu_seconds']:.0f} CPU seconds"
    if not material.validation.exists():
        answer(python(OURS), "trained.reference", (network, material.folder), timeout_s=TIMEOUT_S)
        yield f"{network}: reference made"


def try_peer(network: str, material: Material, format_: str, peer: str) -> results.Facts:
    """What the int8 artifact of a peer loses; "error" says why there is none."""
    folder = material.folder / peer
    folder.mkdir(exist_ok=True)
    try:
        arguments = (peer, material.model, format_, INT8, material.folder, folder)
        made = answer(python(peer), "peers.conversion", arguments, timeout_s=TIMEOUT_S)
        return score(network, material, made["artifact"])
    except (NotInstalled, Failed) as e:
        return {"error": str(e)}


def score(network: str, material: Material, artifact: str) -> results.Facts:
    """The artifact on the test crops. Raises Failed."""
    arguments = (network, material.folder, path_of(artifact) if artifact.endswith("_model") else artifact)
    return answer(python(OURS), "trained.score", arguments, timeout_s=TIMEOUT_S)


def try_budget(network: str, material: Material, format_: str, pictures: Path) -> results.Facts:
    """What comes of `--max-drop 0`, and what that artifact loses on the test crops; "error" says why it failed."""
    try:
        arguments = (network, material.weights, format_, pictures)
        made = answer(python(OURS), "trained.budget", arguments, timeout_s=TIMEOUT_S)
        artifact = made.pop("artifact")
        return {**made, "test": score(network, material, artifact)}
    except Failed as e:
        return {"error": str(e)}


if __name__ == "__main__":
    sys.exit(main())
