"""Classification: one score for each class of the whole image."""

from collections.abc import Mapping, Sequence

import numpy as np

from .agreement import FigureSpec
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, only


def _match(ports: Sequence[Port], size: Size) -> Roles | None:
    if len(ports) != 1:
        return None
    return only(ports, "scores", lambda shape: len(shape) == 2 and shape[1] is not None and shape[1] > 1)


def _plain(ports: Sequence[Port], size: Size) -> bool:
    return ports[0].kind == "class scores"  # runtime.output_kinds knows them


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(classes,) the scores."""
    return outputs["scores"]


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> tuple[bool, bool]:
    """(the highest class is the same, it is among the artifact's five highest)."""
    first = int(ref.argmax())
    return int(cand.argmax()) == first, int((cand > cand[first]).sum()) < 5


def reduce(records: Sequence[tuple[bool, bool]]) -> Mapping[str, float]:
    """The shares."""
    top1, top5 = np.mean(records, 0) if records else (np.nan, np.nan)
    return {"top1": float(top1), "top5": float(top5)}


TASK = Task(  # without limits: runtime.compare judges top-1
    name="classify",
    position=0,
    about="one score for each class",
    heads=(Head(name="scores", about="(1, classes): logits or probabilities", match=_match, plain=_plain),),
    figures=(
        FigureSpec("top1", "top-1 agreement", form=".1%"),
        FigureSpec("top5", "top-5 agreement", form=".1%"),
    ),
    decode=decode,
    compare=compare,
    reduce=reduce,
)
