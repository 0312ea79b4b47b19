"""What int8 costs a trained detector, segmenter and keypoint network. The outcome is docs/generated/tasks.md.

    python -m benchmarks.trained_tasks                   all that has no result yet, then the page
    python -m benchmarks.trained_tasks detect --again    this task, also what is known

A network is trained once, in some minutes of one core. Truth is what was drawn: boxes, classes of pixels, joints.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import edgeport
import torch

from benchmarks.peers.environments import FOLDER, ROOT
from benchmarks.trained_tasks import page, training
from benchmarks.trained_tasks.material import CALIBRATION, HEADS, TEST, figure, write_pictures
from benchmarks.trained_tasks.networks import NETWORKS, create
from benchmarks.trained_tasks.scenes import FIGURE_SIDE, SHAPES, SIDE

RESULTS = ROOT / "benchmarks" / "results" / "trained_tasks.jsonl"
TARGETS = ("tflite", "openvino", "onnx", "coreml")
PREPROCESS = {"scale": "1/255", "mean": 0.5, "std": 0.5, "color": "rgb", "resize": "stretch"}

Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trained_tasks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"only these (default: {', '.join(NETWORKS)})")
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--again", action="store_true", help="also what is known; networks are not trained again")
    args = parser.parse_args(argv)
    unknown = sorted(set(args.tasks) - set(NETWORKS))
    if unknown:
        parser.error(f"there is no network for {unknown[0]!r}; there are {', '.join(NETWORKS)}")
    known = {} if args.again else read()
    for task in args.tasks or NETWORKS:
        for target in args.targets:
            if (task, target) not in known:
                row = measure(task, target)
                keep(row)
                print(json.dumps(row), flush=True)
    page.write(list(read().values()))
    return 0


def network(task: str) -> torch.nn.Module:
    """The trained network, trained now where it is not."""
    checkpoint = FOLDER / "trained_tasks" / f"{task}.pt"
    if not checkpoint.exists():
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        training.save(training.train(task), checkpoint)
    module = create(task)
    module.load_state_dict(torch.load(checkpoint, weights_only=True))
    return module.eval()


def measure(task: str, target: str) -> Row:
    """What the int8 artifact, made with default effort, loses of the figure on what was drawn, and how fast it is."""
    folder = FOLDER / "trained_tasks" / task
    pictures = {split: write_pictures(task, folder / split, split, count) for split, count in (CALIBRATION, TEST)}
    module, side = network(task), FIGURE_SIDE if task == "keypoints" else SIDE
    result = edgeport.export(
        module,
        target,
        precision="int8",
        calibration=pictures["calibration"],
        validation=pictures["test"],
        num_validation_samples=100,
        task=HEADS[task],
        labels=SHAPES if task == "detect" else None,
        input_shape=(3, side, side),
        preprocess=PREPROCESS,
        name=task,
        output_dir=folder / target,
    )
    assert result.agreement is not None, "it was validated"
    assert result.task is not None, "its task is known"
    row: Row = {"task": task, "target": target, "verdict": result.verdict, "snr_db": result.agreement.snr_db}
    row["float"] = figure(task, edgeport.load(module, input_shape=(3, side, side)).session())
    row["int8"] = figure(task, edgeport.open_session(result.path))
    row["against_float"] = {each.name: each.value for each in result.task.figures}
    return row | {"time_over_float": result.ratio}


def read() -> dict[tuple[str, str], Row]:
    """The last row of each task and target."""
    if not RESULTS.exists():
        return {}
    return {(row["task"], row["target"]): row for row in map(json.loads, RESULTS.read_text().splitlines())}


def keep(row: Row) -> None:
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    sys.exit(main())
