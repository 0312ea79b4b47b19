"""Import ONNX Runtime without its telemetry.

Since 1.29 its official builds for Linux and macOS keep a database in the home folder and send the names and hashes of
models to Microsoft, unless this variable is set when the library is loaded.
"""

import os
from typing import Any

OFF = "ORT_DISABLE_TELEMETRY"


def onnxruntime() -> Any:
    """The module. Raises ImportError where it is not installed."""
    os.environ[OFF] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where somebody else has imported it before
    return onnxruntime
