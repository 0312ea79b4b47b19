"""The pictures of the benchmarks: crops of photographs that packages bring along."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUM_CALIBRATION, NUM_VALIDATION = 48, 12


def write_photographs(folder: Path) -> None:
    """Crops for calibration and others for validation, from those that scikit-learn and scikit-image bring along."""
    sys.path.insert(0, str(ROOT / "examples"))
    from demo import CALIBRATION, VALIDATION, write_crops

    write_crops(CALIBRATION, NUM_CALIBRATION, folder / "calibration")
    write_crops(VALIDATION, NUM_VALIDATION, folder / "validation")
