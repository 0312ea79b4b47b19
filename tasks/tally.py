"""Collects what an artifact answers beside its reference, sample by sample, without running either again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .agreement import TaskAgreement, summarize
from .boxes import Boxes
from .label_precision import Labelled, label_figures
from .task import Meaning

if TYPE_CHECKING:
    import PIL.Image

Run = Mapping[str, np.ndarray]  # {name: array}
MOST_PICTURES = 4


@dataclass
class TaskTally:
    """What `runtime.compare` shows of each run, as the task sees it.

    Attributes:
        meaning: of the outputs, by the reference's names.
        to_pixels: a feed -> (h, w, c) pixels from 0 to 255, of what is to be drawn; None to draw nothing.
        truths: what is there in each sample, for a detector on labelled images; None without labels.
    """

    meaning: Meaning
    to_pixels: Callable[[Run], np.ndarray] | None = None
    truths: Sequence[Boxes] | None = None
    labelled: list[Labelled] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    drawn: "list[tuple[PIL.Image.Image, PIL.Image.Image, PIL.Image.Image]]" = field(default_factory=list)
    problem: str = ""

    def add(self, feed: Run, wanted: Run, got: Run) -> None:
        """One run; both outputs by the reference's names."""
        pairs = zip(self.answers(wanted), self.answers(got), strict=True)
        for ref, cand in pairs:
            if self.truths is not None:
                self.labelled.append((self.truths[len(self.records)], ref, cand))
            self.records.append(self.meaning.task.compare(self.meaning, ref, cand))
            draw = self.meaning.task.draw
            if draw and self.to_pixels and len(self.drawn) < MOST_PICTURES:
                from .pictures import to_image

                image = to_image(self.to_pixels(feed))
                self.drawn.append((image, draw(self.meaning, image, ref), draw(self.meaning, image, cand)))

    def answers(self, outputs: Run) -> Iterator[Any]:
        """What the outputs of a run mean, for each sample."""
        meaning = self.meaning
        arrays = {role: outputs[name] for role, name in meaning.outputs.items()}
        if not meaning.head.batched or not arrays:
            yield meaning.task.decode(meaning, arrays)
            return
        for row in range(min(len(array) for array in arrays.values())):
            yield meaning.task.decode(meaning, {role: array[row] for role, array in arrays.items()})

    def agreement(self) -> TaskAgreement:
        """The figures over all samples."""
        task, count = self.meaning.task, len(self.records)
        figures = summarize(task.figures, task.reduce, self.records) if self.records and task.figures else ()
        problem = task.unknown if task.figures and not figures else ""
        figures += label_figures(self.labelled)
        return TaskAgreement(task.name, self.meaning.head.name, figures, count, problem)

    def picture(self, heads: tuple[str, str, str]) -> "PIL.Image.Image | None":
        """The image, the reference's answer and the artifact's side by side, of the first samples; None for none."""
        from .pictures import side_by_side

        return side_by_side(self.drawn, heads) if self.drawn else None
