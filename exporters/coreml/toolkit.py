"""Import coremltools and keep it quiet: no warnings, no progress bars, no other frameworks."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ...artifacts.library_logs import quiet_logger

# What coremltools imports, where it is installed, for frontends that are not used here. TensorFlow alone takes six
# seconds and writes to stderr. torch stays: it is loaded already, and costs coremltools a tenth of a second.
_NOT_NEEDED = (
    "tensorflow",
    "sklearn",
    "xgboost",
    "libsvm",
    "transformers",
    "executorch",
    "torchao",
    "torchvision",
    "torchaudio",
)


def coremltools() -> ModuleType:
    """The module, imported once. Raises ImportError where it is not installed (the extra "coreml" brings it)."""
    if "coremltools" not in sys.modules:
        with quiet(), _hidden(_NOT_NEEDED):
            import coremltools  # noqa: F401
    return sys.modules["coremltools"]


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing below an error is logged or warned about, and no progress is shown."""
    pipeline = sys.modules.get("coremltools.converters.mil.mil.passes.pass_pipeline")
    progress = getattr(pipeline, "tqdm", None)
    try:
        if pipeline is not None:
            setattr(pipeline, "tqdm", lambda passes, **_: passes)  # noqa: B010
        with quiet_logger("coremltools"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if pipeline is not None:
            setattr(pipeline, "tqdm", progress)  # noqa: B010


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """`import name` raises ImportError: None in sys.modules is Python's own way to say that a module is not there."""
    loaded = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in loaded.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
