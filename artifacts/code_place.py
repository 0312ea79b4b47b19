"""Find the line of the user's own code that an error, or an operator of a traced model, comes from."""

import re
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

_LIBRARIES = ("site-packages", "dist-packages", "<", sysconfig.get_paths()["stdlib"])
_OURS = Path(__file__).resolve().parents[1]  # the repository, where it is installed editable
_OUR_FOLDERS = frozenset(
    {"artifacts", "bundles", "cli", "devices", "edgeport", "exporters", "graph", "models"}
    | {"pipeline", "quantize", "reporting", "runtime", "targets"}
)
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def line_of_error(error: BaseException) -> tuple[str, int] | None:
    """(file, line) of the innermost own frame that the error went through; None where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    found = _innermost((frame.filename, frame.lineno or 0) for frame in frames)
    cause = error.__cause__ or error.__context__
    return found or (line_of_error(cause) if cause is not None else None)


def line_of_trace(text: str) -> tuple[str, int] | None:
    """The same of a stack trace in Python's own words, as a traced operator keeps it."""
    return _innermost((file, int(line)) for file, line in _FRAME.findall(text))


def _innermost(frames: Iterable[tuple[str, int]]) -> tuple[str, int] | None:
    own = [frame for frame in frames if _is_own(frame[0])]
    return own[-1] if own else None


def _is_own(file: str) -> bool:
    if any(library in file for library in _LIBRARIES):
        return False
    path = Path(file).resolve()
    return not (path.is_relative_to(_OURS) and path.relative_to(_OURS).parts[0] in _OUR_FOLDERS)
