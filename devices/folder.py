"""Where what devices need is kept on this machine."""

import os
from pathlib import Path

from ..models.download import cache_folder


def devices_folder() -> Path:
    """EDGEPORT_DEVICES, or `devices` in edgeport's cache."""
    own = os.environ.get("EDGEPORT_DEVICES")
    return Path(own).expanduser() if own else cache_folder() / "devices"
