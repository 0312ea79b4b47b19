"""An image of a line of text in, the string out: what an app calls. Needs numpy and the runtime of the model's
format."""

import numpy as np
from ctc import decode
from preprocess import upright
from vision_model import VisionModel


class TextRecognizer(VisionModel):
    """The model of this bundle; `labels` are the characters."""

    def read(self, image: np.ndarray, orientation: int = 1) -> str:
        """What is written; `orientation` is EXIF's, 1 for an upright image."""
        found = decode(self.outputs(upright(image, orientation))["scores"], self.decoding)
        return "".join(self.label(int(each)) for each in found)

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return decode(outputs["scores"], self.decoding)
