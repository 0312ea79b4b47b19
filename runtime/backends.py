"""Imports ONNX Runtime and OpenVINO without their telemetry; PyTorch's threads and the terminal stay the caller's."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

# Since 1.29 ONNX Runtime's official builds for Linux and macOS keep a database in the home folder and send the names
# and hashes of models to Microsoft, unless this variable is set when the library is loaded.
OFF = "ORT_DISABLE_TELEMETRY"


def onnxruntime() -> Any:
    """The module. Raises ImportError where it is not installed."""
    os.environ[OFF] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where somebody else has imported it before
    return onnxruntime


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Within it PyTorch uses so many threads for one operator, in the whole process; afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def openvino() -> Any:
    """The module. Raises ImportError where it is not installed.

    The import alone would start its telemetry, which writes to the home folder and sends. The package makes do without
    that module, as it does where it is not installed. (`openvino.convert_model` reports each call, too, where somebody
    else has imported OpenVINO before: `Core.read_model` does not.)
    """
    if "openvino" not in sys.modules and "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # "not there", for the import system
        try:
            import openvino
        finally:
            del sys.modules["openvino_telemetry"]
    import openvino

    return openvino


@contextlib.contextmanager
def native_stderr() -> Iterator:
    """Keeps what native code writes to the process's stderr from the terminal; yields a function that returns it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def said() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)
