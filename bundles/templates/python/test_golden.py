"""The golden files, reproduced: `python test_golden.py [--exact]`, or with pytest.

Pixels and inputs must be equal to the byte; outputs within the tolerance of bundle.json, or with --exact to the bit.
"""

import re
import sys

import numpy as np
from classifier import BUNDLE, Classifier


def read_ppm(name: str) -> np.ndarray:
    """A binary PPM of 8 bits: (h, w, 3)."""
    data = (BUNDLE / "golden" / name).read_bytes()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    assert header, name
    width, height = map(int, header.groups())
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, 3)


def problems(exact: bool = False) -> list[str]:
    classifier = Classifier()
    how, found = classifier.preprocessing, []
    for name in classifier.facts["golden"]:
        image, file = read_ppm(f"{name}.ppm"), BUNDLE / "golden" / name
        pixels = how.pixels(image)
        if pixels.tobytes() != file.with_suffix(".pixels").read_bytes():
            found.append(f"{name}: the pixels differ")
        if how.tensor(pixels).tobytes() != file.with_suffix(".input").read_bytes():
            found.append(f"{name}: the input differs")
        wanted = np.frombuffer(file.with_suffix(".output").read_bytes(), np.float32)
        got = classifier.run(image)[classifier.facts["scores"]].reshape(-1)
        off = float(np.abs(got - wanted).max())
        if off > (0 if exact else classifier.facts["tolerance"]):
            found.append(f"{name}: the output is off by {off:.3g}")
    return found


def test_golden():
    assert problems() == []


if __name__ == "__main__":
    found = problems(exact="--exact" in sys.argv)
    print("\n".join(found) or "all golden files are reproduced")
    sys.exit(bool(found))
