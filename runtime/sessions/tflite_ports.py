"""The inputs and outputs of a .tflite file: how LiteRT knows them, and how they look outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.embedded import Embedded, Port, read_embedded
from ...artifacts.errors import ArtifactError
from ...artifacts.files import read_regular
from ...artifacts.json_reader import NotJson
from ..session import TensorSpec
from . import tflite_verifier

METADATA_NAME = "edgeport"  # our entry in the file: JSON that tells names, logical shapes and layouts
SIGNATURE = "serving_default"
LARGEST = 2**31 - 1  # bytes that the format's 32-bit offsets reach

_TO_NHWC, _TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class TensorPort:
    """One input or output: how the interpreter knows it and how it looks outside."""

    spec: TensorSpec
    physical: tuple[int, ...]
    index: int
    nhwc: bool
    scale: float
    zero_point: int


class Ports:
    """All of a file's.

    Args:
        described: what our metadata in the file says, by the tensors' names.
        resizes: lengths that the file leaves open are None.
    """

    def __init__(self, interpreter: Any, described: dict[str, Port], *, resizes: bool = False):
        names_in, names_out = _signature_names(interpreter)
        self.ins = [_port(details, names_in, described, resizes) for details in interpreter.get_input_details()]
        self.outs = [_port(details, names_out, described, resizes) for details in interpreter.get_output_details()]
        self.inputs = tuple(port.spec for port in self.ins)
        self.outputs = tuple(port.spec for port in self.outs)

    def inward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """float32 NCHW -> what the file takes."""
        return [_inward(port, array) for port, array in zip(self.ins, arrays, strict=True)]

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """What the file gives -> {name: float32 NCHW}."""
        return {port.spec.name: _outward(port, array) for port, array in zip(self.outs, arrays, strict=True)}


def describe(path: Path) -> dict[str, Port]:
    """{tensor name: its entry} of our metadata in a file; empty for a foreign file. Raises ArtifactError."""
    return of_ports(read_facts(path))


def of_ports(facts: Embedded) -> dict[str, Port]:
    """{tensor name: its entry}"""
    return {port.name: port for port in (*facts.inputs, *facts.outputs)}


def read_facts(path: Path) -> Embedded:
    """Our metadata in a file that is known to be whole; empty for a foreign file.

    Raises ArtifactError: it is not a whole TFLite model.
    """
    try:
        model = tflite_verifier.verify(read_regular(path, LARGEST))
        return read_embedded(tflite_verifier.metadata(model).get(METADATA_NAME))
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e
    except tflite_verifier.BrokenFlatbuffer as e:
        raise ArtifactError(f"{path}: is not a whole TFLite model: {e}") from e
    except NotJson as e:
        raise ArtifactError(f"{path}: its {METADATA_NAME!r} metadata is damaged ({e})") from e


def _signature_names(interpreter) -> tuple[dict[int, str], dict[int, str]]:
    """({tensor index: input name}, {tensor index: output name}) of the default signature, or of the only one."""
    signatures = interpreter.get_signature_list()
    key = SIGNATURE if SIGNATURE in signatures else next(iter(signatures), None)
    if key is None:
        return {}, {}
    runner = interpreter.get_signature_runner(key)
    return (
        {details["index"]: name for name, details in runner.get_input_details().items()},
        {details["index"]: name for name, details in runner.get_output_details().items()},
    )


def _port(
    details: dict[str, Any], names: dict[int, str], described: dict[str, Port], resizes: bool = False
) -> TensorPort:
    name = names.get(details["index"]) or str(details["name"])
    physical = tuple(int(dim) for dim in details["shape"])
    if name in described:
        nhwc = described[name].layout == "nhwc" and len(physical) == 4
    else:  # a foreign file: images have 1 or 3 channels
        nhwc = len(physical) == 4 and physical[3] in (1, 3) and physical[1] not in (1, 3)
    lengths: tuple[int | None, ...] = physical
    if resizes and len(details["shape_signature"]) == len(physical):
        lengths = tuple(None if dim < 0 else int(dim) for dim in details["shape_signature"])
    shape = tuple(lengths[axis] for axis in _TO_NCHW) if nhwc else lengths
    scale, zero_point = details["quantization"]
    spec = TensorSpec(name, shape, np.dtype(details["dtype"]).name)
    return TensorPort(spec, physical, details["index"], nhwc, scale, zero_point)


def _inward(port: TensorPort, array: np.ndarray) -> np.ndarray:
    """float32 NCHW -> what the file takes."""
    array = np.ascontiguousarray(array.transpose(_TO_NHWC)) if port.nhwc else array
    if port.spec.dtype == "float32" or (array.dtype.name == port.spec.dtype and port.scale in (0, 1)):
        return array
    if port.scale:
        limits = np.iinfo(port.spec.dtype)
        array = np.clip(np.rint(array / np.float32(port.scale)) + port.zero_point, limits.min, limits.max)
    return array.astype(port.spec.dtype)


def _outward(port: TensorPort, array: np.ndarray) -> np.ndarray:
    """What the file gives -> float32 NCHW."""
    if port.scale and port.spec.dtype != "float32":
        array = (array.astype(np.float32) - port.zero_point) * np.float32(port.scale)
    return np.ascontiguousarray(array.transpose(_TO_NCHW)) if port.nhwc else array
