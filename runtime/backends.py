"""Settings of other libraries that hold for the whole process: ONNX Runtime's telemetry, PyTorch's threads.

Since 1.29 its official builds for Linux and macOS keep a database in the home folder and send the names and hashes of
models to Microsoft, unless this variable is set when the library is loaded.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

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
