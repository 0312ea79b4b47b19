"""Chooses the inputs that calibrate and the other ones that validate."""

from collections.abc import Callable
from pathlib import Path

from ..input_spec import InputSpec
from ..preprocess_question import Question
from ..progress import Progress
from .collection import DataLike, ImageFolder, open_data
from .dataset import GENERATED, NOT_REAL, NUM_GENERATED, VALIDATION_SEEDS, Dataset, describe_generated, generate_dataset


class OpenedData:
    """Data sets, each opened once however often it is asked for; a generator could not be read again."""

    def __init__(self, spec: InputSpec, count: int, question: Question):
        self._spec, self._count, self._question = spec, count, question
        self._opened: list[tuple[DataLike, Dataset]] = []

    def open(self, data: DataLike) -> Dataset:
        """The data as inputs of the model. Raises UsageError, ImageError."""
        for known, dataset in self._opened:
            if known is data or (
                isinstance(data, str | Path | ImageFolder) and type(known) is type(data) and known == data
            ):
                return dataset
        dataset = open_data(data, self._spec, self._count, self._question)
        self._opened.append((data, dataset))
        return dataset


def choose_validation(
    spec: InputSpec,
    progress: Progress,
    open_: Callable[[DataLike], Dataset],
    *,
    data: DataLike | None,
    count: int,
    seed: int,
) -> Dataset:
    """The inputs that may validate: all of `data`, or `count` generated ones."""
    if data is not None:
        return open_(data)
    progress.note(f"validation uses generated inputs{describe_generated(spec)}; give images with --validation-data")
    return generate_dataset(spec, count, seed + VALIDATION_SEEDS)


def choose_calibration(
    spec: InputSpec,
    progress: Progress,
    open_: Callable[[DataLike], Dataset],
    *,
    data: DataLike | None,
    count: int | None,
    seed: int,
) -> Dataset:
    """The inputs that may calibrate: all of `data`, or generated ones, which is said loudly."""
    if data is not None:
        return open_(data)
    progress.warn(NOT_REAL)
    if said := describe_generated(spec):
        progress.note(f"calibration uses generated inputs{said}")
    return generate_dataset(spec, count or NUM_GENERATED, seed)


def separate(
    calibration: Dataset, validation: Dataset, counts: tuple[int, int], progress: Progress
) -> tuple[Dataset, Dataset]:
    """At most counts[0] that calibrate and counts[1] other ones that validate; one source for both is split."""
    if calibration.source != GENERATED and _same_source(calibration, validation):
        source = calibration.source
        calibration, validation = calibration.split()
        progress.note(f"{source}: {len(calibration)} inputs may calibrate, the other {len(validation)} validate")
    calibration = calibration.take(counts[0])
    return calibration, validation.take(sum(counts)).without(set(calibration.digests())).take(counts[1])


def _same_source(one: Dataset, other: Dataset) -> bool:
    if one.in_memory or other.in_memory:
        return one.items is other.items
    return Path(one.source).resolve() == Path(other.source).resolve()
