"""`edgeport export --int8 --max-drop 0` of a trained network for one target; one line of JSON.

python -m benchmarks.trained.budget NETWORK WEIGHTS TARGET FOLDER
                    FOLDER holds the photographs `calibration` and `validation`, with a folder for each class
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import edgeport
from edgeport.artifacts.manifest import finite

from benchmarks.trained.networks import model_name
from benchmarks.trained.photographs import SPLITS

MAX_DROP = 0.0
STEPS = 8


def search_budget(network: str, weights: Path, target: str, folder: Path) -> dict:
    """What came of it.

    artifact; budget: the manifest's; frontier: a dict for each step; kept_float: how many units; ratio: of its median
    to the float one's, None where it is emulated.
    """
    result = edgeport.export(
        model_name(network),
        target,
        precision="int8",
        weights=str(weights),
        calibration=folder / "calibration",
        validation=folder / "validation",
        num_validation_samples=SPLITS["validation"][1],
        max_drop=MAX_DROP,
        budget_steps=STEPS,
        num_runs=30,
        output_dir=weights.parent / "budget",
    )
    assert result.search is not None
    return finite(
        {
            "artifact": str(result.path),
            "ratio": result.ratio,
            "budget": asdict(result.search.budget),
            "kept_float": len(result.search.kept_float),
            "frontier": result.search.frontier,
        }
    )


if __name__ == "__main__":
    name, state, format_, photographs = sys.argv[1:]
    print(json.dumps(search_budget(name, Path(state), format_, Path(photographs))), flush=True)
