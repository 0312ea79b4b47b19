"""The golden files, reproduced: `python test_golden.py [--exact]`, or with pytest.

Pixels and inputs must be equal to the byte; outputs within the tolerance of bundle.json, or with --exact to the bit. Of
the golden outputs the boxes must be the golden ones, to a hundredth of a pixel.
"""

import re
import sys

import numpy as np
from detector import BUNDLE, Detector


def read_ppm(name: str) -> np.ndarray:
    """A binary PPM of 8 bits: (h, w, 3)."""
    data = (BUNDLE / "golden" / name).read_bytes()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    assert header, name
    width, height = map(int, header.groups())
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, 3)


def problems(exact: bool = False) -> list[str]:
    detector = Detector()
    how, found = detector.preprocessing, []
    names = list(detector.how["outputs"].values())
    for name in detector.facts["golden"]:
        image, file = read_ppm(f"{name}.ppm"), BUNDLE / "golden" / name
        pixels = how.pixels(image)
        if pixels.tobytes() != file.with_suffix(".pixels").read_bytes():
            found.append(f"{name}: the pixels differ")
        if how.tensor(pixels).tobytes() != file.with_suffix(".input").read_bytes():
            found.append(f"{name}: the input differs")
        outputs = detector.run(image)
        wanted = np.frombuffer(file.with_suffix(".output").read_bytes(), np.float32)
        parts = np.split(wanted, np.cumsum([outputs[each].size for each in names])[:-1])
        for each, part in zip(names, parts, strict=True):
            off = float(np.abs(outputs[each].reshape(-1) - part).max())
            if detector.how["ordered"] and off > (0 if exact else detector.facts["tolerances"][each]):
                found.append(f"{name}: output {each} is off by {off:.3g}")
            outputs[each] = part.reshape(outputs[each].shape)
        boxes = np.frombuffer(file.with_suffix(".boxes").read_bytes(), np.float32).reshape(-1, 6)
        got = detector.rows(outputs, *image.shape[:2], detector.how["score_threshold"])
        if got.shape != boxes.shape or not np.allclose(got, boxes, rtol=0, atol=(0.01, 0.01, 0.01, 0.01, 1e-5, 0)):
            found.append(f"{name}: the boxes differ")
    return found


def test_golden():
    assert problems() == []


if __name__ == "__main__":
    found = problems(exact="--exact" in sys.argv)
    print("\n".join(found) or "all golden files are reproduced")
    sys.exit(bool(found))
