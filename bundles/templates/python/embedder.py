"""An image in, a vector out, which is compared with those of other images: what an app calls. Needs numpy and the
runtime of the model's format."""

import numpy as np
from embedding import cosine as cosine
from embedding import normalised
from preprocess import upright
from vision_model import VisionModel


class Embedder(VisionModel):
    """The model of this bundle; `cosine` compares two of its vectors."""

    def embed(self, image: np.ndarray, orientation: int = 1) -> np.ndarray:
        """(d,) of length 1; `orientation` is EXIF's, 1 for an upright image."""
        return normalised(self.outputs(upright(image, orientation))["vector"])

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return normalised(outputs["vector"])
