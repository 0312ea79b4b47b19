"""Read tensors out of a weight file (weights/weight.bin), Core ML's "MIL blob storage", version 2.

    file      header (64 bytes: uint32 count, uint32 version), then entries
    entry     metadata (64 bytes: uint32 sentinel, uint32 type, uint64 size in bytes, uint64 offset of the data), data

All of it is little-endian and every part starts at a multiple of 64. The program names an entry by the offset of its
metadata. Source: StorageFormat.hpp and BlobDataType.hpp of https://github.com/apple/coremltools/tree/main/mlmodel/src/MILBlob
"""

import struct
from pathlib import Path

import numpy as np

from ...artifacts.errors import ArtifactError
from ...artifacts.files import open_regular
from .schema import BITS

VERSION = 2
ALIGNMENT = 64
SENTINEL = 0xDEADBEEF

# BlobDataType -> our name of the type
BLOB_DTYPES = {
    1: "float16",
    2: "float32",
    3: "uint8",
    4: "int8",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
}


class BlobFile:
    """A weight file in memory. Raises ArtifactError where the file, or what is asked of it, is not whole."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with open_regular(path) as file:
                self._bytes = np.fromfile(file, np.uint8)
        except FileNotFoundError as e:
            raise ArtifactError(f"{path}: the program needs this weight file, but it is missing") from e
        except OSError as e:
            raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e
        if self._bytes.size < ALIGNMENT:
            raise ArtifactError(f"{path}: has {self._bytes.size} bytes, too few for the header of a weight file")
        _, version = struct.unpack_from("<II", self._bytes.data)
        if version != VERSION:
            raise ArtifactError(f"{path}: is no weight file of version {VERSION} (its header says {version})")

    def read(self, offset: int, dtype: str, count: int) -> np.ndarray:
        """The `count` elements of the entry whose metadata is at `offset`, 1-D; types under 8 bits as a byte each."""
        where = f"{self.path}: the weight at offset {offset}"
        if offset % ALIGNMENT or offset < ALIGNMENT or offset + ALIGNMENT > self._bytes.size:
            raise ArtifactError(f"{where} is outside of the file or not at a multiple of {ALIGNMENT}")
        sentinel, code, size, start = struct.unpack_from("<IIQQ", self._bytes.data, offset)
        if sentinel != SENTINEL:
            raise ArtifactError(f"{where} has no metadata there (wrong offset, or a damaged file)")
        if BLOB_DTYPES.get(code) != dtype:
            raise ArtifactError(f"{where} is {BLOB_DTYPES.get(code, f'of type {code}')}, but the program says {dtype}")
        if size != (count * BITS[dtype] + 7) // 8:
            raise ArtifactError(f"{where} has {size} bytes, but the program says {count} elements of {dtype}")
        if start != offset + ALIGNMENT:
            raise ArtifactError(f"{where} has its data at {start}, not behind its metadata")
        if start + size > self._bytes.size:
            raise ArtifactError(f"{where} ends behind the end of the file, which is truncated or damaged")
        return unpack(self._bytes[start : start + size], dtype, count)


def unpack(data: np.ndarray, dtype: str, count: int) -> np.ndarray:
    """uint8 bytes -> `count` elements of `dtype`.

    Types under 8 bits are packed from the least significant bit of the first byte on, across the bytes' borders.
    """
    bits = BITS[dtype]
    if bits >= 8:
        return data.view(dtype)
    digits = np.unpackbits(data, count=count * bits, bitorder="little").reshape(count, bits)
    numbers = (digits << np.arange(bits, dtype=np.uint8)).sum(1, dtype=np.uint8)
    if dtype == "int4":
        return ((numbers ^ 8).astype(np.int8) - 8).astype(np.int8)
    return numbers
