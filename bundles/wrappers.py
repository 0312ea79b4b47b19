"""The wrapper of each task, by the names of its files and of what an app calls."""

from dataclasses import dataclass

from ..tasks.registry import CLASSIFY, DETECT, TEXT
from .answers import EMBED, KEYPOINTS, SEGMENT


@dataclass(frozen=True)
class Wrapper:
    """The same in every language.

    Attributes:
        decoding: the file that turns outputs into an answer and needs nothing else, in words: "text_recognizer".
        calling: the file of what an app calls.
    """

    decoding: str
    calling: str

    @property
    def name(self) -> str:
        """Of the class that an app makes."""
        return pascal(self.calling)


def pascal(words: str) -> str:
    """text_recognizer -> TextRecognizer."""
    return "".join(word.capitalize() for word in words.split("_"))


WRAPPERS = {
    CLASSIFY: Wrapper("classification", "classifier"),
    DETECT: Wrapper("detection", "detector"),
    SEGMENT: Wrapper("segmentation", "segmenter"),
    KEYPOINTS: Wrapper("keypoints", "keypoint_detector"),
    EMBED: Wrapper("embedding", "embedder"),
    TEXT: Wrapper("ctc", "text_recognizer"),
}
