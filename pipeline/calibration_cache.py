"""Keeps the statistics of a calibration while it runs, so that one that was interrupted goes on."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.digest import sha256_of
from ..targets.registry import installed_version
from .data.dataset import Dataset

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Statistics

KEPT = 8  # calibrations, each of about a megabyte; the oldest go


class CalibrationCache:
    """The file of one calibration: of this graph, with these inputs in this order, made of images in this way, by these
    versions."""

    def __init__(self, graph: "ir.Model", inputs: Dataset) -> None:
        import onnx_ir as ir

        versions = f"{installed_version('edgeport')} {installed_version('onnxruntime')}"
        parts = (
            versions.encode(),
            repr(inputs.preprocess).encode(),
            ir.to_proto(graph).SerializeToString(deterministic=True),
        )
        digest = sha256_of(b"".join((*parts, *(each.encode() for each in inputs.digests()))))
        self.path = cache_folder_of_calibrations() / f"{digest[:32]}.npz"

    def load(self) -> "Statistics | None":
        """Those of the first inputs, None where there are none that can be read."""
        from ..quantize import QuantizeError, Statistics

        if not self.path.exists():
            return None
        try:
            return Statistics.load(self.path)
        except QuantizeError:  # cut off; calibrating again is all it takes
            return None

    def save(self, statistics: "Statistics") -> None:
        """Replaces the file; does without where nothing can be written."""
        part = self.path.with_name(f"{self.path.stem}.{os.getpid()}.npz")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            statistics.save(part)
            part.replace(self.path)
            files = sorted(self.path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
            for old in files[:-KEPT]:
                old.unlink()
        except OSError:
            return


def cache_folder_of_calibrations() -> Path:
    """Where the files lie."""
    from ..models.download import cache_folder

    return cache_folder() / "calibration"
