"""Model inputs in an .npz file: an array for each input, a row for each sample."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...artifacts.errors import UsageError
from ...artifacts.files import open_regular
from ...runtime.session import TensorSpec

# what zipfile and NumPy make of a damaged archive; RuntimeError: an encrypted one
_DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, RuntimeError)


class NpzRows:
    """The rows of the arrays in an .npz, read from disk one at a time.

    An array has the name of its input (any name, where there is one of both) and a row for each sample:
    (n, c, h, w) for an input of (1, c, h, w), (n, b, ...) for one whose first dimension b is larger. Arrays that are no
    input are left aside. Raises UsageError.
    """

    def __init__(self, path: Path, inputs: Sequence[TensorSpec]):
        self._path = path
        try:
            archive = zipfile.ZipFile(open_regular(path))
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            only = names[0] if len(names) == len(inputs) == 1 else None
            self._columns = {spec.name: _Column(path, archive, only or spec.name, spec, names) for spec in inputs}
        except OSError as e:
            raise UsageError(f"{path}: cannot be read ({e.strerror or e})") from e
        except _DAMAGED as e:
            raise UsageError(f"{path}: is not a readable .npz file") from e
        counts = {name: column.count for name, column in self._columns.items()}
        if len(set(counts.values())) != 1:
            raise UsageError(f"{path}: its arrays have different numbers of rows: {counts}")
        self.count = next(iter(counts.values()))

    def load(self, row: int) -> dict[str, np.ndarray]:
        """Row `row` of each array as float32, shaped as the input."""
        return {name: column.load(row) for name, column in self._columns.items()}


class _Column:
    """One array of the file, for one input."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, name: str, spec: TensorSpec, names: list[str]):
        if name not in names:
            raise UsageError(f"{path}: holds no array {name!r}, which the model takes; it holds: {', '.join(names)}")
        self._path = path
        self._file: IO[bytes] = archive.open(f"{name}.npy")
        shape, fortran, self._dtype = _header(self._file)
        self._shape = tuple(1 if dim is None else dim for dim in spec.shape)
        row = self._shape[1:] if self._shape[:1] == (1,) else self._shape
        kinds, wanted = ("f", "float") if spec.dtype.startswith("float") else ("iub", "integers")
        if tuple(shape[1:]) != row:
            raise UsageError(f"{path}: its array has shape {shape}, the model wants (n, {', '.join(map(str, row))})")
        if self._dtype.kind not in kinds or fortran:
            raise UsageError(f"{path}: its array must be {wanted} in C order (preprocessed), not {self._dtype}")
        if not shape[0]:
            raise UsageError(f"{path}: its array is empty")
        self.count, self._start = shape[0], self._file.tell()

    def load(self, row: int) -> np.ndarray:
        size = int(np.prod(self._shape)) * self._dtype.itemsize
        try:
            self._file.seek(self._start + row * size)
            content = self._file.read(size)
        except (OSError, *_DAMAGED) as e:
            raise UsageError(f"{self._path}: row {row} cannot be read; the file is damaged") from e
        if len(content) != size:
            raise UsageError(f"{self._path}: ends before row {row}; the file is damaged")
        array = np.frombuffer(content, self._dtype).reshape(self._shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise UsageError(f"{self._path}: row {row} holds NaN or infinite values")
        return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    """(shape, whether in Fortran order, dtype) of an .npy."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    return read[version](file)
