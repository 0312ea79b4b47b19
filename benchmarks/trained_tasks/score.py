"""What an int8 artifact of a trained network loses of its task's figure on what was drawn; one line of JSON.

python -m benchmarks.trained_tasks.score TASK FOLDER ARTIFACT
"""

import json
import sys
from pathlib import Path

import edgeport

from benchmarks.trained_tasks.figures import compare
from benchmarks.trained_tasks.material import material_of, source

if __name__ == "__main__":
    name, where, artifact = sys.argv[1:]
    exact = source(name, material_of(name, Path(where)).weights).session()
    print(json.dumps(compare(name, exact, edgeport.open_session(artifact))), flush=True)
