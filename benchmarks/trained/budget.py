"""`edgeport export --int8 --max-drop 0` of a trained network for one target; one line of JSON.

python -m benchmarks.trained.budget NETWORK WEIGHTS TARGET FOLDER
                    FOLDER holds the photographs `calibration` and `validation`, with a folder for each class
"""

import json
import sys
from pathlib import Path

from edgeport.artifacts.manifest import finite
from edgeport.cli.console import Console
from edgeport.pipeline import export
from edgeport.pipeline.options import Job

from benchmarks.trained.networks import registered
from benchmarks.trained.photographs import SPLITS

MAX_DROP = 0.0
STEPS = 8


def spent(network: str, weights: Path, target: str, folder: Path) -> dict:
    """What came of it.

    artifact; budget: the manifest's; frontier: a dict for each step; kept_float: how many units; ratio: of its median
    to the float one's, None where it is emulated.
    """
    job = Job(
        model=registered(network),
        target=target,
        precision="int8",
        weights=str(weights),
        calibration_data=str(folder / "calibration"),
        validation_data=str(folder / "validation"),
        num_validation_samples=SPLITS["validation"][1],
        max_drop=MAX_DROP,
        budget_steps=STEPS,
        output_dir=str(weights.parent / "budget"),
        num_runs=30,
    )
    (outcome,) = export.run(job, Console())
    assert outcome.spent is not None
    return finite(
        {
            "artifact": outcome.asked.artifact,
            "ratio": outcome.asked.ratio,
            "budget": outcome.spent.budget,
            "kept_float": len(outcome.spent.kept_float),
            "frontier": outcome.spent.frontier,
        }
    )


if __name__ == "__main__":
    name, state, format_, photographs = sys.argv[1:]
    print(json.dumps(spent(name, Path(state), format_, Path(photographs))), flush=True)
