"""Runs an OpenVINO IR with OpenVINO's CPU plugin."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ...artifacts.embedded import read_embedded
from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ...artifacts.files import open_regular
from ...artifacts.json_reader import NotJson
from ...artifacts.sizes import Sizes
from ..backends import openvino
from ..session import TensorSpec, check_feeds, from_nhwc, outward, to_nhwc, with_sizes

# What would otherwise lie: by default the plugin takes all cores, computes float32 in bf16 or f16 where the CPU has it,
# quantises activations of weight-only int8 on the fly, and ties its threads to cores that other sessions use, too.
_HONEST = {
    "NUM_STREAMS": 1,
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "ENABLE_CPU_PINNING": False,
}
OURS = "edgeport"  # our facts, as JSON, in rt_info
_VERSIONS = ("10", "11")  # of the IR format that OpenVINO reads
_NHWC = "[N,H,W,C]"
_ORACLE = {"LP_TRANSFORMS_MODE": "NO"}


class OpenVINOSession:
    """An OpenVINO IR.

    Args:
        path: the .xml, whose .bin lies beside it; or the folder that holds the two.
        threads: of inference.
        precision: what float is computed in: "f32", or "bf16" or "f16" where the CPU has it.
        oracle: compute Q/DQ in float, as it is written, instead of in int8: slow, and what int8 should give.
        watch: operations, by their names, whose results `watched` gives.
        profile: count what each node of the executed graph takes, for `profiled`.

    Raises:
        ArtifactError: the two files are not a whole IR, or OpenVINO refuses it.
        RuntimeUnavailable: OpenVINO is not installed.
    """

    emulated = False

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int = 1,
        precision: str = "f32",
        oracle: bool = False,
        watch: Sequence[str] = (),
        profile: bool = False,
    ):
        self._path = xml_of(Path(path))
        check_ir(self._path)
        try:
            ov = openvino()
        except ImportError as e:
            raise RuntimeUnavailable("OpenVINO models need OpenVINO: pip install 'edgeport[openvino]'") from e
        config = _HONEST | {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
        config |= {"PERF_COUNT": profile}
        start = time.perf_counter()
        try:
            core = ov.Core()
            self.model = model = core.read_model(self._path)
            # names are those of the file: what the compiler fuses into an output leaves its own names on it
            self._nhwc = [str(port.node.layout) == _NHWC for port in model.inputs]
            inputs = [
                from_nhwc(_spec(port)) if nhwc else _spec(port)
                for port, nhwc in zip(model.inputs, self._nhwc, strict=True)
            ]
            self.inputs = with_sizes(inputs, _sizes(model, self._path) if model.is_dynamic() else None)
            self.outputs = tuple(_spec(port) for port in model.outputs)
            if watch:
                operations = {operation.get_friendly_name(): operation for operation in model.get_ordered_ops()}
                model.add_outputs([operations[name].output(0) for name in watch])  # but for what is one already
            results = [output.node.input_value(0).get_node().get_friendly_name() for output in model.outputs]
            self._watch = {name: results.index(name) for name in watch}
            self._compiled = core.compile_model(model, "CPU", config | _ORACLE if oracle else config)
            self._request = self._compiled.create_infer_request()
        except RuntimeError as e:
            raise ArtifactError(f"{path}: OpenVINO refuses it ({_why(e)})") from e
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.threads = threads
        self.runtime = f"openvino {ov.__version__.partition('-')[0]}"

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        arrays = [to_nhwc(array) if nhwc else array for array, nhwc in zip(arrays, self._nhwc, strict=True)]
        return [array.astype(spec.dtype, copy=False) for spec, array in zip(self.inputs, arrays, strict=True)]

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._infer(arrays)[: len(self.outputs)]

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {spec.name: outward(array) for spec, array in zip(self.outputs, arrays, strict=True)}

    def watched(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{operation: its result} of those that are watched. Raises FeedError."""
        results = self._infer(self.inward(feeds))
        return {name: outward(results[index]) for name, index in self._watch.items()}

    def _infer(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            self._request.infer(arrays, share_inputs=True)
        except RuntimeError as e:
            raise ArtifactError(f"{self._path}: OpenVINO cannot run it ({_why(e)})") from e
        count = len(self._compiled.outputs)
        return [np.array(self._request.get_output_tensor(i).data) for i in range(count)]

    def profiled(self) -> dict[str, float]:
        """{node of the executed graph: its microseconds}, the mean over all runs so far, cut to whole ones."""
        told = self._request.get_profiling_info()
        return {info.node_name: info.real_time.total_seconds() * 1e6 for info in told}

    def executed_graph(self) -> Any:
        """The graph that the plugin executes, an ov.Model whose nodes say in rt_info what they are."""
        return self._compiled.get_runtime_model()

    def close(self) -> None:
        del self._request, self._compiled


def xml_of(path: Path) -> Path:
    """The .xml of an IR that is named by its folder or by itself. Raises ArtifactError."""
    if not os.path.isdir(path):
        return path
    found = sorted(path.glob("*.xml"))
    if len(found) != 1:
        raise ArtifactError(f"{path}: holds {len(found)} .xml files, not the one of an OpenVINO IR")
    return found[0]


def check_ir(path: Path) -> None:
    """Raises ArtifactError unless the .xml is one, and every constant that it names lies within the .bin.

    OpenVINO maps the .bin into memory and believes the .xml.
    """
    weights = path.with_suffix(".bin")
    try:
        with open_regular(path) as file, open_regular(weights) as constants:
            root, size = ElementTree.parse(file).getroot(), os.fstat(constants.fileno()).st_size
    except ElementTree.ParseError as e:
        raise ArtifactError(f"{path}: is not a whole OpenVINO IR ({e})") from e
    except FileNotFoundError as e:
        raise ArtifactError(f"{e.filename}: no such file") from e
    except OSError as e:
        raise ArtifactError(f"{e.filename}: cannot be read ({e.strerror})") from e
    if root.tag != "net" or root.get("version") not in _VERSIONS or root.find("layers/layer") is None:
        raise ArtifactError(f"{path}: is XML, but not an OpenVINO IR of version {' or '.join(_VERSIONS)}")
    try:
        places = [(int(data.attrib["offset"]), int(data.attrib["size"])) for data in root.iterfind(".//data[@offset]")]
    except (ValueError, KeyError) as e:
        raise ArtifactError(f"{path}: is not a whole OpenVINO IR ({e})") from e
    end = max((offset + length for offset, length in places), default=0)
    if end > size or any(offset < 0 or length < 0 for offset, length in places):
        raise ArtifactError(f"{weights}: has {size} bytes, but its .xml names {end}; export it again")


def _sizes(model: Any, path: Path) -> Sizes | None:
    """Those of the image, of a file that edgeport has written with open ones. Raises ArtifactError."""
    if not model.has_rt_info([OURS]):
        return None
    try:
        return read_embedded(str(model.get_rt_info([OURS]).value)).sizes
    except NotJson as e:
        raise ArtifactError(f"{path}: its {OURS!r} rt_info is damaged ({e})") from e


def _spec(port) -> TensorSpec:
    shape = tuple(dim.get_length() if dim.is_static else None for dim in port.partial_shape)
    name = min(port.names, default=port.node.friendly_name)
    return TensorSpec(name, shape, np.dtype(port.element_type.to_dtype()).name)


def _why(error: Exception) -> str:
    """OpenVINO's messages begin with source files and checks; the last line says what is wrong."""
    return str(error).strip().splitlines()[-1].strip().rstrip(".")
