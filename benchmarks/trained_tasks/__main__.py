"""What int8 costs a trained detector, segmenter and keypoint network. The outcome is docs/generated/tasks.md.

    python -m benchmarks.trained_tasks                        all that has no result yet, then the page
    python -m benchmarks.trained_tasks detect --again         this task, also what is known
    python -m benchmarks.trained_tasks --peers ours --formats tflite
    python -m benchmarks.trained_tasks --render               the page again from what is known

A network is trained once, in ten minutes or so of one core. Truth is what was drawn: boxes, classes of pixels, joints.
Weights and artifacts lie where those of `python -m benchmarks.peers` do, and so do the peers' environments.
Interrupted, it goes on with the next step.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers.__main__ import machine, path_of
from benchmarks.peers.environments import FOLDER, NotInstalled, python
from benchmarks.peers.material import Material
from benchmarks.peers.peers import FP32, INT8, OURS
from benchmarks.peers.process import Failed, answer
from benchmarks.trained_tasks import page, results
from benchmarks.trained_tasks.budget import GOALS
from benchmarks.trained_tasks.figures import JUDGED
from benchmarks.trained_tasks.material import material_of

TIMEOUT_S = 7200  # of one step; training on a machine with other work is the longest
RUNS = 200  # timed rounds: the networks are small
PEERS = {  # whose int8 is measured, in which formats
    OURS: ("tflite", "openvino", "onnx", "coreml"),
    "litert_torch": ("tflite",),
    "nncf": ("openvino",),
    "onnxruntime": ("onnx",),
}
EMULATED = ("coreml",)  # nothing to time here
BUDGETED = ("tflite",)  # for which the budgets are tried: a search makes dozens of artifacts


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trained_tasks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"only these (default: {', '.join(JUDGED)})")
    parser.add_argument("--peers", nargs="+", default=tuple(PEERS), choices=tuple(PEERS), metavar="PEER")
    parser.add_argument("--formats", nargs="+", default=PEERS[OURS], choices=PEERS[OURS], metavar="FORMAT")
    parser.add_argument("--no-budgets", dest="budgets", action="store_false", help="no `--min-ap` and the like")
    parser.add_argument("--again", action="store_true", help="also what is known; networks are not trained again")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page")
    args = parser.parse_args(argv)
    unknown = sorted(set(args.tasks) - set(JUDGED))
    if unknown:
        parser.error(f"there is no network for {unknown[0]!r}; there are {', '.join(JUDGED)}")
    if not args.render:
        for step in steps(args):
            print(step, flush=True)
    page.write()
    return 0


def steps(args: argparse.Namespace) -> Iterator[str]:
    """Trains, converts, measures and times what is not known; a line for each."""
    for task in args.tasks or JUDGED:
        material = material_of(task, FOLDER / "trained_tasks" / task)
        try:
            yield from prepare_material(task, material)
        except Failed as e:
            yield f"{task}: {e}"
            continue
        for format_ in args.formats:
            known, changed = results.read(), False
            for peer in (peer for peer in args.peers if format_ in PEERS[peer]):
                key = (task, format_, peer)
                if args.again or key not in known.losses:
                    facts, changed = measure(task, material, format_, peer), True
                    results.append({**dict(zip(results.LOSS, key, strict=True)), **facts})
                    yield f"{' '.join(key)}: {facts.get('error') or page.points(facts)}"
            if format_ not in EMULATED and (changed or (task, format_) not in known.timings):
                try:
                    facts = time_artifacts(material, format_)
                except Failed as e:
                    yield f"{task} {format_}: no times: {e}"
                    continue
                results.append({"task": task, "format": format_, **facts})
                yield f"{task} {format_}: {facts['cpu_ms']}"
        for target in BUDGETED if task in GOALS and args.budgets else ():
            if target in args.formats and (args.again or (task, target) not in results.read().budgets):
                facts = try_budget(task, material, target)
                results.append({"task": task, "target": target, **facts})
                yield f"{task} {target} budget: {facts.get('error') or page.outcome(facts)}"


def prepare_material(task: str, material: Material) -> Iterator[str]:
    """Trains the network and makes its material, where they are missing. Raises Failed."""
    material.folder.mkdir(parents=True, exist_ok=True)
    if not material.weights.exists():
        took = answer(python(OURS), "trained_tasks.training", (task, material.weights), timeout_s=TIMEOUT_S)
        yield f"{task}: trained, {took['cpu_seconds']:.0f} CPU seconds"
    if not material.validation.exists():
        answer(python(OURS), "trained_tasks.material", (task, material.folder), timeout_s=TIMEOUT_S)
        yield f"{task}: material made"


def measure(task: str, material: Material, format_: str, peer: str) -> results.Facts:
    """What the int8 artifact of a peer loses; "error" says why there is none."""
    try:
        if peer == OURS:
            made = answer(python(OURS), "trained_tasks.ours", (task, format_, material.folder), timeout_s=TIMEOUT_S)
        else:
            folder = material.folder / peer
            folder.mkdir(exist_ok=True)
            arguments = (peer, material.model, format_, INT8, material.folder, folder)
            made = {"artifact": answer(python(peer), "peers.conversion", arguments, timeout_s=TIMEOUT_S)["artifact"]}
        scored = answer(
            python(OURS), "trained_tasks.score", (task, material.folder, made["artifact"]), timeout_s=TIMEOUT_S
        )
    except (NotInstalled, Failed) as e:
        return {"error": str(e).replace(f"{FOLDER}/", "")}
    for name in ("artifact", "twin"):
        if name in made:
            made[name] = str(Path(made[name]).relative_to(FOLDER))
    return made | scored


def try_budget(task: str, material: Material, target: str) -> results.Facts:
    """What comes of the budget, and what that artifact loses on the test pictures; "error" says why it failed."""
    try:
        made = answer(python(OURS), "trained_tasks.budget", (task, target, material.folder), timeout_s=TIMEOUT_S)
        arguments = (task, material.folder, made["artifact"])
        scored = answer(python(OURS), "trained_tasks.score", arguments, timeout_s=TIMEOUT_S)
    except Failed as e:
        return {"error": str(e).replace(f"{FOLDER}/", "")}
    return {**made, "artifact": str(Path(made["artifact"]).relative_to(FOLDER)), "test": scored}


def time_artifacts(material: Material, format_: str) -> results.Facts:
    """The median CPU times of all artifacts of a format and of our float one, a round of each after the other."""
    task = material.folder.name
    made = {
        peer: facts
        for (of, at, peer), facts in results.read().losses.items()
        if (of, at) == (task, format_) and "artifact" in facts and (FOLDER / facts["artifact"]).exists()
    }
    artifacts = {f"{INT8} {peer}": facts["artifact"] for peer, facts in made.items()}
    if OURS in made:
        artifacts[f"{FP32} {OURS}"] = made[OURS]["twin"]
    pairs = [f"{label}={path_of(str(FOLDER / path))}" for label, path in artifacts.items()]
    found = answer(python(OURS), "peers.timing", (material.model, material.folder, RUNS, *pairs), timeout_s=TIMEOUT_S)
    return {"machine": machine(), "cpu_ms": {label: facts["cpu_ms"] for label, facts in found.items()}}


if __name__ == "__main__":
    sys.exit(main())
