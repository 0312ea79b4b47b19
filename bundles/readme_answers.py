"""What the README of a bundle says of the answer, for each task."""

from ..tasks.registry import CLASSIFY, DETECT, TEXT
from .answers import EMBED, KEYPOINTS, SEGMENT
from .facts import Facts


def _scores(facts: Facts) -> str:
    score = "probabilities" if facts.probabilities else "logits: their order counts, not their size"
    return f"Scores are {score}."


def _boxes(facts: Facts) -> str:
    how = facts.answers.decoding
    return f"""Boxes are left, top, right, bottom in pixels of the upright image, of scores from
  {how["score_threshold"]} on; {SUPPRESSES[how["suppresses"]]}
  {how["iou_threshold"]}, as the model was checked (`decoding` in bundle.json)."""


def _class_map(facts: Facts) -> str:
    how = facts.answers.decoding
    above = f" 1 is where the score is above {how['threshold']}, else 0." if how["form"] == "threshold" else ""
    return f"""The map has the size of the upright image: each pixel has the class of the cell, of
  {how["width"]}x{how["height"]}, that it lies in; a letterbox's padding is cut off, -1 is outside of a crop.{above}"""


def _keypoints(facts: Facts) -> str:
    how = facts.answers.decoding
    return f"""{how["count"]} keypoints, x and y in pixels of the upright image; those count that have scores from
  {how["score_threshold"]} on, as the model was checked (`decoding` in bundle.json)."""


def _vector(facts: Facts) -> str:
    size = facts.answers.decoding["size"]
    return f"""The vector has {size} numbers and length 1; `cosine` of two says how alike the images are, from -1 to 1.
  The threshold is yours: it depends on what counts as alike."""


def _text(facts: Facts) -> str:
    how = facts.answers.decoding
    return f"""The string is CTC's best path over {how["steps"]} steps: the best class of each, repeats once, without
  the blank, class {how["blank"]}. labels.txt has a line for each of the {how["classes"]} classes."""


ANSWERS = {
    CLASSIFY: _scores,
    DETECT: _boxes,
    SEGMENT: _class_map,
    KEYPOINTS: _keypoints,
    EMBED: _vector,
    TEXT: _text,
}
_MADE = "\n  `.answer` is what the wrappers make of the golden outputs, float32: "
GOLDEN = {
    CLASSIFY: f"{_MADE}class and score of the five best.",
    DETECT: f"{_MADE}the four sides, score and class of each box.",
    SEGMENT: f"{_MADE}the class of each pixel.",
    KEYPOINTS: f"{_MADE}x, y and score of each keypoint.",
    EMBED: f"{_MADE}the vector.",
    TEXT: f"{_MADE}the classes of the characters.",
}
SUPPRESSES = {
    True: "the wrapper suppresses boxes of one class that overlap by more than",
    False: "the model's boxes need no suppression any more; it would be at an overlap of",
}
