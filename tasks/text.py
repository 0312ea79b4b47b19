"""Text recognition: a string, from the scores of characters along the image by CTC."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .pictures import caption
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, limits, only, shape_of

LEAST_CLASSES, LEAST_STEPS = 8, 4  # of an output that is taken for a string without being told


def _match(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "scores", lambda s: len(s) == 3 and s[2] is not None and s[2] > 1 and 1 in (s[0], s[1]))


def _plain(ports: Sequence[Port], size: Size) -> bool:
    """Whether each row is a distribution over characters, or the logarithm of one."""
    values = ports[0].example
    if size is None or values is None or values.shape[2] < LEAST_CLASSES or max(values.shape[:2]) < LEAST_STEPS:
        return False
    shares = np.exp(values.astype(np.float64)) if (values <= 0).all() else values
    return bool((shares >= 0).all() and np.allclose(shares.sum(2), 1, atol=1e-2))


def decode(meaning: Meaning, outputs: Arrays) -> tuple[str, ...]:
    """The characters: the best class of each step, repeats once, blanks out."""
    scores = outputs["scores"].reshape(-1, outputs["scores"].shape[-1])  # (t, 1, c) or (1, t, c), the batch away
    best, classes = scores.argmax(1), scores.shape[1]
    blank = 0 if meaning.settings["blank"] == "first" else classes - 1
    kept = best[np.append(True, best[1:] != best[:-1]) & (best != blank)]
    characters = alphabet(meaning, classes)
    return tuple(characters[int(each)] for each in kept)


def alphabet(meaning: Meaning, classes: int) -> Sequence[str]:
    """A character for each class: the labels, whether or not they have the blank, or a space at their end."""
    if not meaning.labels:
        return [f"<{index}>" for index in range(classes)]
    first = meaning.settings["blank"] == "first"
    behind = (" ",) * (classes - len(meaning.labels) - 1)
    if len(meaning.labels) == classes:
        return meaning.labels
    return ("", *meaning.labels, *behind) if first else (*meaning.labels, *behind, "")


def compare(meaning: Meaning, ref: tuple[str, ...], cand: tuple[str, ...]) -> tuple[bool, int, int]:
    """(the strings are equal, the edits from one to the other, the reference's length)."""
    return ref == cand, edits(ref, cand), len(ref)


def edits(one: Sequence[str], other: Sequence[str]) -> int:
    """The edit distance: how many characters have to be put in, taken out or replaced."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        above, row = row, [i]
        for j, b in enumerate(other, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def reduce(records: Sequence[tuple[bool, int, int]]) -> Mapping[str, float]:
    """The share of strings that differ, of equal ones, and the edits for each character."""
    equal, wrong, length = (np.array(each, float) for each in zip(*records, strict=True))
    if not length.sum():
        return {}
    return {
        "equal_strings": float(equal.mean()),
        "string_errors": float((1 - equal).mean()),  # 3 of 100 are 0.03, as a budget says it, and not 0.03 and a bit
        "cer": float(wrong.sum() / length.sum()),
    }


def count_labels(meaning: Meaning, ports: Sequence[Port]) -> Sequence[int]:
    """All, all but the blank, or all but the blank and a space at the end."""
    classes = shape_of(ports, meaning.outputs["scores"])[2] or 0
    return (classes, classes - 1, classes - 2)


def draw(meaning: Meaning, image: Any, answer: tuple[str, ...]) -> Any:
    """The string under the image."""
    return caption(image, ["".join(answer) or "(nothing)"])


def _head(name: str, about: str, blank: str, axis: int) -> Head:
    def match(ports: Sequence[Port], size: Size) -> Roles | None:
        roles = _match(ports, size)
        return roles if roles and ports[0].shape[axis] == 1 else None

    return Head(name=name, about=about, settings={"blank": blank}, match=match, plain=_plain, batched=axis == 0)


TASK = Task(
    name="text",
    position=7,
    about="a string, by CTC",
    heads=(
        _head("ctc", "(1, steps, characters), the blank first: PaddleOCR", "first", 0),
        _head("ctc_steps", "(steps, 1, characters), the blank first: CRNN in PyTorch", "first", 1),
        _head("ctc_last", "(1, steps, characters), the blank last: Keras, TensorFlow", "last", 0),
    ),
    figures=(
        FigureSpec("equal_strings", "equal strings", form=".1%"),
        FigureSpec("string_errors", "strings that differ", -1, ".1%"),
        FigureSpec("cer", "character error rate", -1, ".4f"),
    ),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"equal_strings": 0.98}, fp16={"equal_strings": 0.9}, rounded={"cer": 0.5}),
    should=limits(fp32={}, fp16={}, rounded={"equal_strings": 0.9}),
    budgets={"max_string_errors": "string_errors"},
    unknown="the float model reads nothing in these inputs",
    words={"blank": ("first", "last")},
    count_labels=count_labels,
    draw=draw,
)
