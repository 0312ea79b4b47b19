"""Every error that edgeport raises on purpose: its message is one sentence for the user, its class has an exit code."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from .exit_codes import BAD_INPUT, BUG, DEVICE, NOT_EXPORTABLE
from .printable import printable

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal; PyTorch writes them into its messages


class EdgeportError(Exception):
    """The base of all errors that edgeport raises on purpose; any other exception that leaves it is a bug.

    Attributes:
        exit_code: what the command line ends with; `edgeport --help` lists the codes.
    """

    exit_code: ClassVar[int] = BAD_INPUT

    def __str__(self) -> str:
        """The sentence; what a model or a file calls things does nothing to the terminal that shows it."""
        return printable(super().__str__())


class UsageError(EdgeportError):
    """An option or argument is wrong or does not fit the others, or a file that one names is."""


class UnknownModel(EdgeportError, LookupError):
    """No model or family has that name; the message gives the nearest."""


class UnknownCheckpoint(EdgeportError, LookupError):
    """No public weights have that name; the message says which there are."""


class DownloadError(EdgeportError):
    """A file cannot be downloaded."""


class WeightsError(EdgeportError, ValueError):
    """A checkpoint cannot be read, or does not fit the model."""


class ImageError(EdgeportError, ValueError):
    """A folder without images, or a file that is no readable image."""


class ModelFileError(EdgeportError):
    """A file that is no model, is damaged, or is not safe to load."""


class InputShapeError(EdgeportError):
    """An input shape is missing, or does not fit the model."""


class ArtifactError(EdgeportError):
    """An artifact is missing, truncated, damaged, or of an unknown format."""


class ManifestError(EdgeportError, ValueError):
    """A file is no manifest of a schema that this version reads."""


class FeedError(EdgeportError, ValueError):
    """The arrays given to a session do not fit its inputs."""


class RuntimeUnavailable(EdgeportError):
    """A backend is not installed; the message names the extra that brings it."""


class WriteError(EdgeportError, OSError):
    """Something cannot be written: no permission, no space, a folder in the way."""

    def __init__(self, path: Path, error: OSError):
        super().__init__(f"{path}: cannot be written ({error.strerror or error})")
        self.errno: int | None = error.errno

    def __str__(self) -> str:
        return printable(self.args[0])


class ExportError(EdgeportError):
    """A model cannot be exported; the message says where, what, and what would work."""

    exit_code = NOT_EXPORTABLE


class UnsupportedOp(ExportError):
    """An operator that the dialect or the target does not have."""


class UnsupportedAttribute(ExportError):
    """A known operator with an attribute, or a value of it, that the target cannot express."""


class DynamicShape(ExportError):
    """A value's shape is not known when the model is exported."""


class NotCanonical(ExportError):
    """A node that no pass could bring to the canonical form."""


class ImportFault(ExportError):
    """The graph that was made of a model does not compute what the model computes: a fault of edgeport's."""


class ArtifactTooLarge(ExportError):
    """An artifact is larger than its format allows."""


class QuantizeError(EdgeportError):
    """A model cannot be quantised with what was given."""

    exit_code = NOT_EXPORTABLE


class DeviceError(EdgeportError):
    """A device cannot be reached, went away, or failed at its job; the message names it."""

    exit_code = DEVICE


def first_line(error: BaseException, otherwise: str = "") -> str:
    """The first line of what another library's error says; `otherwise`, or its type, where it says nothing."""
    return next(iter(lines_of(error)), "") or otherwise or type(error).__name__


def lines_of(error: BaseException) -> list[str]:
    """The lines that another library's error says; none where even saying it fails."""
    try:
        return [line.strip() for line in COLOURS.sub("", str(error)).splitlines() if line.strip()]
    except Exception:
        return []


@contextlib.contextmanager
def foreign_code(as_ours: Callable[[BaseException], EdgeportError]) -> Iterator[None]:
    """Within it runs code that a user wrote: whatever it raises, SystemExit too, becomes one of our errors.

    Only Ctrl-C and our own errors come through as they are.
    """
    try:
        yield
    except (KeyboardInterrupt, EdgeportError):
        raise
    except BaseException as e:
        raise as_ours(e) from e


def exit_code(error: BaseException) -> int:
    """The code that an exception ends the command with; BUG for one that edgeport did not raise on purpose."""
    return error.exit_code if isinstance(error, EdgeportError) else BUG
