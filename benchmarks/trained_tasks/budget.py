"""`edgeport export --int8` of a trained network with a budget on its task's figure; one line of JSON.

python -m benchmarks.trained_tasks.budget TASK TARGET FOLDER
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import edgeport
from edgeport.artifacts.manifest import finite

from benchmarks.trained_tasks.figures import JUDGED
from benchmarks.trained_tasks.material import material_of, source

GOALS = {"detect": ("min_ap", 0.96), "segment": ("min_miou", 0.985)}  # of the float network's answers
IMAGES = 100  # half of them to search on, half to judge
STEPS = 6


def search_budget(task: str, target: str, folder: Path) -> dict[str, Any]:
    """What came of it.

    artifact; budget: the manifest's; frontier: a dict for each step; kept_float: how many units.
    """
    name, limit = GOALS[task]
    result = edgeport.export(
        source(task, material_of(task, folder).weights),
        target,
        precision="int8",
        calibration=folder / "calibration",
        validation=folder / "test",
        num_validation_samples=IMAGES,
        task=JUDGED[task].statement,
        budget_steps=STEPS,
        num_runs=20,
        output_dir=folder / "budget" / target,
        **{name: limit},
    )
    assert result.search is not None
    return finite(
        {
            "artifact": str(result.path),
            "budget": asdict(result.search.budget),
            "kept_float": len(result.search.kept_float),
            "frontier": result.search.frontier,
        }
    )


if __name__ == "__main__":
    which, of, where = sys.argv[1:]
    print(json.dumps(search_budget(which, of, Path(where))), flush=True)
