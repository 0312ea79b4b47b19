"""`edgeport export --int8 --task ...` of a trained network for one target, and its float twin; one line of JSON.

python -m benchmarks.trained_tasks.ours TASK TARGET FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import edgeport

from benchmarks.trained_tasks.figures import JUDGED
from benchmarks.trained_tasks.material import material_of, source
from benchmarks.trained_tasks.scenes import SHAPES

COMPARED = 100  # test pictures on which the artifact itself is judged, against the float network


def export(task: str, target: str, folder: Path) -> dict[str, Any]:
    """artifact and twin: their paths; verdict and snr_db of the artifact; against_float: {figure: value}."""
    model, into = source(task, material_of(task, folder).weights), folder / "ours" / target
    twin = edgeport.export(model, target, validate=False, benchmark=False, precision="fp32", output_dir=into)
    result = edgeport.export(
        model,
        target,
        precision="int8",
        calibration=folder / "calibration",
        validation=folder / "test",
        num_validation_samples=COMPARED,
        task=JUDGED[task].statement,
        labels=SHAPES if task == "detect" else None,
        benchmark=False,
        output_dir=into,
    )
    assert result.agreement is not None, "it was validated"
    assert result.task is not None, "its task is known"
    return {
        "artifact": str(result.path),
        "twin": str(twin.path),
        "verdict": result.verdict,
        "snr_db": result.agreement.snr_db,
        "against_float": {each.name: each.value for each in result.task.figures},
    }


if __name__ == "__main__":
    name, of, where = sys.argv[1:]
    print(json.dumps(export(name, of, Path(where))), flush=True)
