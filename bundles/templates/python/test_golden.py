"""The golden files, reproduced: `python test_golden.py [--exact]`, or with pytest.

Pixels and inputs must be equal to the byte; outputs within the tolerances of bundle.json, or with --exact to the bit.
Of the golden outputs the answers must be the golden ones.
"""

import re
import sys

import numpy as np
from classifier import Classifier as Wrapper
from vision_model import BUNDLE


def read_ppm(name: str) -> np.ndarray:
    """A binary PPM of 8 bits: (h, w, 3)."""
    data = (BUNDLE / "golden" / name).read_bytes()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    assert header, name
    width, height = map(int, header.groups())
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, 3)


def problems(exact: bool = False) -> list[str]:
    model = Wrapper()
    how, facts, found = model.preprocessing, model.facts, []
    for name in facts["golden"]:
        image, file = read_ppm(f"{name}.ppm"), BUNDLE / "golden" / name
        pixels = how.pixels(image)
        if pixels.tobytes() != file.with_suffix(".pixels").read_bytes():
            found.append(f"{name}: the pixels differ")
        if how.tensor(pixels).tobytes() != file.with_suffix(".input").read_bytes():
            found.append(f"{name}: the input differs")
        wanted = np.frombuffer(file.with_suffix(".output").read_bytes(), "<f4")
        golden, got = {}, model.outputs(image)
        for each in facts["outputs"]:
            part, wanted = np.split(wanted, [each["size"]])
            golden[each["role"]] = part
            off = float(np.abs(got[each["role"]] - part).max())
            if facts["ordered"] and off > (0 if exact else each["tolerance"]):
                found.append(f"{name}: output {each['name']} is off by {off:.3g}")
        answer = np.frombuffer(file.with_suffix(".answer").read_bytes(), "<f4")
        given = model.numbers(golden, *image.shape[:2])
        tolerances = np.resize(facts["answer_tolerances"], answer.shape)
        if given.shape != answer.shape or (np.abs(given - answer) > tolerances).any():
            found.append(f"{name}: the answer differs")
    return found


def test_golden():
    assert problems() == []


if __name__ == "__main__":
    found = problems(exact="--exact" in sys.argv)
    print("\n".join(found) or "all golden files are reproduced")
    sys.exit(bool(found))
