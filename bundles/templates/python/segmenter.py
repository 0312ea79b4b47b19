"""An image in, the class of each of its pixels out: what an app calls. Needs numpy and the runtime of the model's
format."""

import numpy as np
from preprocess import upright
from segmentation import decode, to_image
from vision_model import VisionModel


class Segmenter(VisionModel):
    """The model of this bundle."""

    def segment(self, image: np.ndarray, orientation: int = 1) -> np.ndarray:
        """(h, w, 3) -> (h, w) the class of each pixel of the upright image, -1 where the model does not look;
        `orientation` is EXIF's, 1 for an upright image."""
        image = upright(image, orientation)
        return self.class_map(self.outputs(image), *image.shape[:2])

    def class_map(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        """(height, width) what the model's outputs are for an image of that size."""
        how = self.preprocessing
        return to_image(decode(outputs, self.decoding), how.placement(height, width), how.height, how.width)

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return self.class_map(outputs, height, width).reshape(-1)
