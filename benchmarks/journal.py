"""Rows of results, a line of JSON each, that a benchmark goes on from."""

import json
from pathlib import Path
from typing import Any

from edgeport.pipeline.sweep.journal import append

__all__ = ["append", "read"]


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, or none where it is missing."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
